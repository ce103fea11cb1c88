"""Five expressions on FER+ test: angry, happy, sad, surprised, neutral, beside two classical baselines.

The protocol of a report on a ConvNeXt-Tiny after a YOLO, which compares itself with a support vector
machine on histograms of oriented gradients and with a random forest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from agent.domain import EMOTIONS
from models.data import majority, read_ferplus
from models.evaluation.protocols.five_baselines import BASELINES, fit_and_guess
from models.evaluation.protocols.nine import ClassReport
from models.evaluation.sheet import Sheet
from models.evaluation.subject import sample_indices
from models.scores import confusion, emotion_logits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from agent.domain import Json
    from models.data import FerPlus
    from models.evaluation.subject import Subject

FIVE: Final = ("neutral", "happiness", "surprise", "sadness", "anger")
BASELINE_FACES: Final = 6000
"""Training faces of the baselines, drawn from FER+ train by the seed: bounds their minutes."""
BASELINE_SHARE: Final = 10
"""With a limit, so many times as many training faces as judged ones, if that is fewer."""
PUBLISHED: Final = {
    "ConvNeXt-Tiny after a YOLO": {"accuracy": 0.7827, "f1": 0.791},
    "HOG and SVM": {"accuracy": 0.4108},
    "random forest": {"accuracy": 0.5117},
}
"""On the report's own mix of similar faces; which mean its F1 is it doesn't say."""


@dataclass(frozen=True, slots=True, eq=False)
class FiveScores:
    """Of our classifier, restricted to five logits, and of the baselines on the same faces."""

    reports: Mapping[str, ClassReport]
    """By name, ours first."""
    baseline_faces: int

    def as_json(self) -> dict[str, Json]:
        """All figures, and what is published."""
        return {
            "ours": {name: report.as_json() for name, report in self.reports.items()},
            "baseline_training_faces": self.baseline_faces,
            "published": PUBLISHED,
        }

    def sheets(self) -> list[Sheet]:
        """Accuracy and F1 beside the published rows, then ours per class."""
        rows = [
            (
                f"ours: {name}",
                f"{report.accuracy:.2%}",
                f"{report.mean(weighted=True)[2]:.3f}",
                f"{report.mean(weighted=False)[2]:.3f}",
            )
            for name, report in self.reports.items()
        ]
        for name, figures in PUBLISHED.items():
            f1 = f"{figures['f1']:.3f}" if "f1" in figures else ""
            rows.append((f"published: {name}", f"{figures['accuracy']:.2%}", f1, ""))
        name, best = next(iter(self.reports.items()))
        note = (
            f"Ours: FER+ test by the taggers' majority; the two baselines were fitted to"
            f" {self.baseline_faces} faces of FER+ train. Published: the report's own mix of faces."
        )
        return [
            Sheet("Five expressions", ("", "accuracy", "weighted F1", "macro F1"), tuple(rows), note),
            best.sheet(f"Five expressions, {name}"),
        ]


def run_five(subject: Subject, say: Callable[[str], None]) -> FiveScores:
    """Judge the classifier and the baselines, which are fitted first.

    Raises:
        ModelError: The data are missing or broken, or scikit-learn is not installed.
    """
    images, truth = _faces(subject.data.ferplus_test, subject.limit, subject.seed)
    network = subject.classifier
    columns = [network.entry.labels.index(label) for label in FIVE]
    guess = emotion_logits(network, images)[:, columns].argmax(axis=1)
    reports = {f"{network.name}, {network.file.precision}": _report(truth, guess)}
    say(f"{network.name}: {len(truth)} faces in five classes")
    bound = BASELINE_FACES if subject.limit is None else min(BASELINE_FACES, BASELINE_SHARE * subject.limit)
    train_images, train_truth = _faces(read_ferplus(subject.data.folder, "train"), bound, subject.seed)
    for name in BASELINES:
        reports[name] = _report(truth, fit_and_guess(name, train_images, train_truth, images, subject.seed))
        say(f"{name}: fitted to {len(train_truth)} faces, judged on the same {len(truth)}")
    return FiveScores(reports, len(train_truth))


def _faces(faces: FerPlus, limit: int | None, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Faces whose majority is one of the five, and the index of it in ``FIVE``."""
    order = np.array([FIVE.index(name) if name in FIVE else -1 for name in EMOTIONS] + [-1, -1])
    truth = order[majority(faces.votes)]
    wanted = np.flatnonzero(truth >= 0)
    chosen = wanted[sample_indices(len(wanted), limit, seed)]
    return faces.images[chosen], truth[chosen].astype(np.int64)


def _report(truth: NDArray[np.int64], guess: NDArray[np.integer[Any]]) -> ClassReport:
    return ClassReport(FIVE, confusion(truth, guess.astype(np.int64), len(FIVE)))
