"""FER+ in nine classes, unknown included: precision, recall and F1, per class and averaged.

The protocol of a report on EfficientNetV2B1, with a MobileNetV2 beside it. The accuracy over eight classes
comes with it, on all faces and on those whose label most taggers agree on: so the authors of FER+ tested.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.domain import EMOTIONS, LABELS, Json
from agent.inference import LoadedNetwork
from models.data import majority
from models.evaluation.sheet import Sheet
from models.evaluation.subject import Subject
from models.scores import confusion, confusion_of_eight, decide, emotion_logits, f1_per_class

PUBLISHED: Final = {
    "EfficientNetV2B1": {"weighted_f1": 0.7895, "macro_f1": 0.6046},
    "MobileNetV2": {"macro_f1": 0.5853},
}
"""Of MobileNetV2 one F1 is published without saying which mean it is."""
PUBLISHED_AGREED: Final = {"VGG13": 0.8499}
"""Accuracy over eight classes on agreed labels, the best of four ways to train (Barsoum et al. 2016)."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassReport:
    """What a confusion matrix says."""

    labels: tuple[str, ...]
    counts: NDArray[np.int64]
    """C×C: rows are the truth, columns the guess."""

    @property
    def accuracy(self) -> float:
        """Share of faces on the diagonal."""
        return float(np.trace(self.counts) / max(1, self.counts.sum()))

    def per_class(self) -> dict[str, tuple[float, float, float, int]]:
        """Precision, recall, F1 and number of true faces; 0 where nothing can be said."""
        hits = np.diag(self.counts).astype(np.float64)
        guessed, true = self.counts.sum(axis=0), self.counts.sum(axis=1)
        figures = (hits / np.maximum(guessed, 1), hits / np.maximum(true, 1), f1_per_class(self.counts), true)
        return dict(zip(self.labels, zip(*(column.tolist() for column in figures), strict=True), strict=True))

    def mean(self, *, weighted: bool) -> tuple[float, float, float]:
        """Precision, recall and F1 over the classes, all alike or by their number of faces."""
        rows = np.array(list(self.per_class().values()))
        weights = rows[:, 3] if weighted and rows[:, 3].sum() else np.ones(len(rows))
        precision, recall, f1 = np.average(rows[:, :3], axis=0, weights=weights).tolist()
        return precision, recall, f1

    def sheet(self, title: str) -> Sheet:
        """A row per class."""
        rows = tuple(
            (label, *(f"{figure:.4f}" for figure in figures[:3]), str(figures[3]))
            for label, figures in self.per_class().items()
        )
        return Sheet(title, ("expression", "precision", "recall", "F1", "faces"), rows)

    def as_json(self) -> dict[str, Json]:
        """All figures and the matrix."""
        names = ("precision", "recall", "f1")
        return {
            "faces": int(self.counts.sum()),
            "accuracy": self.accuracy,
            "weighted": dict(zip(names, self.mean(weighted=True), strict=True)),
            "macro": dict(zip(names, self.mean(weighted=False), strict=True)),
            "per_class": {
                label: dict(zip((*names, "faces"), figures, strict=True))
                for label, figures in self.per_class().items()
            },
            "confusion": self.counts.tolist(),
        }


@dataclass(frozen=True, slots=True, eq=False)
class NineScores:
    """Of one classifier."""

    name: str
    report: ClassReport
    eight: ClassReport
    agreed: ClassReport

    def as_json(self) -> dict[str, Json]:
        """Ours, and what is published."""
        eight: dict[str, Json] = {
            name: {"faces": int(report.counts.sum()), "accuracy": report.accuracy}
            for name, report in (("all", self.eight), ("agreed", self.agreed))
        }
        eight["published"] = PUBLISHED_AGREED
        return {"network": self.name, **self.report.as_json(), "published": PUBLISHED, "eight_classes": eight}

    def sheets(self) -> list[Sheet]:
        """One table per class, one of means beside the published ones."""
        weighted, macro = self.report.mean(weighted=True), self.report.mean(weighted=False)
        means: list[tuple[str, ...]] = [
            (f"ours: {self.name}", f"{weighted[2]:.4f}", f"{macro[2]:.4f}", f"{self.report.accuracy:.2%}")
        ]
        for name, figures in PUBLISHED.items():
            cells = (f"{figures[key]:.4f}" if key in figures else "" for key in ("weighted_f1", "macro_f1"))
            means.append((f"published: {name}", *cells, ""))
        note = "Of MobileNetV2 one F1 is known, not of which mean: taken for macro, which it is nearer to."
        return [
            self.report.sheet("FER+ test, nine classes"),
            Sheet(
                "Means over the nine classes", ("", "weighted F1", "macro F1", "accuracy"), tuple(means), note
            ),
            self._eight_classes(),
        ]

    def _eight_classes(self) -> Sheet:
        rows = [
            (
                f"ours: {self.name}",
                f"{self.eight.accuracy:.2%} of {self.eight.counts.sum()}",
                f"{self.agreed.accuracy:.2%} of {self.agreed.counts.sum()}",
            ),
            *((f"published: {name}", "", f"{accuracy:.2%}") for name, accuracy in PUBLISHED_AGREED.items()),
        ]
        note = "Agreed: more than half of the votes are for the label, single votes not counted."
        return Sheet("Accuracy in eight classes", ("", "all faces", "agreed labels"), tuple(rows), note)


def score_nine(network: LoadedNetwork, logits: NDArray[np.float32], votes: NDArray[np.uint8]) -> NineScores:
    """Compare N×9 logits with N×10 votes, by the manifest's temperature and unknown threshold."""
    guess = decide(logits, network.entry.temperature, network.entry.unknown_below)
    return NineScores(
        f"{network.name}, {network.file.precision}",
        ClassReport(LABELS, confusion(majority(votes), guess, len(LABELS))),
        ClassReport(EMOTIONS, confusion_of_eight(logits, votes, "classes8")),
        ClassReport(EMOTIONS, confusion_of_eight(logits, votes, "agreed8")),
    )


def run_nine(subject: Subject, say: Callable[[str], None]) -> NineScores:
    """Judge the classifier on the FER+ test faces, with the manifest's unknown threshold.

    Raises:
        ModelError: The data are missing or broken.
    """
    faces, network = subject.ferplus("classes9"), subject.classifier
    scores = score_nine(network, emotion_logits(network, faces.images), faces.votes)
    say(f"{scores.name}: {len(faces.images)} faces in nine classes")
    return scores
