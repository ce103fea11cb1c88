"""Five expressions on FER+ test: angry, happy, sad, surprised, neutral, beside two classical baselines.

The protocol of a report on a ConvNeXt-Tiny after a YOLO, which compares itself with a support vector
machine on histograms of oriented gradients and with a random forest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agent.domain import EMOTIONS, Json
from agent.errors import ModelError
from models.data import FerPlus, majority, read_ferplus
from models.evaluation.protocols.nine import ClassReport
from models.evaluation.sheet import Sheet
from models.evaluation.subject import Subject, sample_indices
from models.scores import confusion, emotion_logits

FIVE: Final = ("neutral", "happiness", "surprise", "sadness", "anger")
BASELINES: Final = ("HOG and SVM", "random forest")
"""The first sees histograms of gradients, the second the pixels."""
CELL_PX: Final = 8
ORIENTATIONS: Final = 9
CLIPPED_AT: Final = 0.2
TREES: Final = 200
SVM_PENALTY: Final = 5.0
_BATCH: Final = 500
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


def fit_and_guess(
    name: str,
    images: NDArray[np.uint8],
    truth: NDArray[np.int64],
    unseen: NDArray[np.uint8],
    seed: int,
) -> NDArray[np.int64]:
    """Fit one of :data:`BASELINES` to N×S×S faces and name M unseen ones.

    Raises:
        ModelError: scikit-learn is not installed.
    """
    try:
        from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415 - only this protocol needs it
        from sklearn.svm import SVC  # noqa: PLC0415 - same
    except ImportError as error:
        raise ModelError(
            f"the baselines need {error.name}: install it with pip install 'emotion-agent[train]'"
        ) from error
    model: Any
    features: NDArray[Any]
    asked: NDArray[Any]
    if name == BASELINES[0]:
        model = SVC(C=SVM_PENALTY, random_state=seed)
        features, asked = oriented_gradients(images), oriented_gradients(unseen)
    else:
        model = RandomForestClassifier(TREES, random_state=seed)
        features, asked = images.reshape(len(images), -1), unseen.reshape(len(unseen), -1)
    guess: NDArray[np.int64] = np.asarray(model.fit(features, truth).predict(asked), np.int64)
    return guess


def oriented_gradients(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Histograms of oriented gradients (Dalal & Triggs 2005) of N×S×S pictures.

    Nine unsigned orientations in cells of 8×8 px, blocks of 2×2 cells one cell apart, normalised by their
    length, clipped, normalised again. Sides must be a multiple of the cell's.

    Returns:
        N×F float32.
    """
    parts = [_batch(images[start : start + _BATCH]) for start in range(0, len(images), _BATCH)]
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)


def _batch(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    light = images.astype(np.float32)
    down, right = np.zeros_like(light), np.zeros_like(light)
    down[:, 1:-1] = light[:, 2:] - light[:, :-2]
    right[:, :, 1:-1] = light[:, :, 2:] - light[:, :, :-2]
    strength = np.hypot(right, down)
    # Each gradient is shared between the two orientations it lies between.
    position = np.arctan2(down, right) % np.pi * (ORIENTATIONS / np.pi) - 0.5
    lower = np.floor(position)
    upper_share = position - lower
    across = images.shape[1] // CELL_PX
    cells = np.empty((len(images), across, across, ORIENTATIONS), np.float32)
    for orientation in range(ORIENTATIONS):
        share = np.where(lower % ORIENTATIONS == orientation, 1.0 - upper_share, 0.0)
        share += np.where((lower + 1) % ORIENTATIONS == orientation, upper_share, 0.0)
        grid = (strength * share).reshape(-1, across, CELL_PX, across, CELL_PX)
        cells[..., orientation] = grid.sum(axis=(2, 4))
    last = across - 1
    corners = [cells[:, row : row + last, column : column + last] for row in (0, 1) for column in (0, 1)]
    blocks = _unit(np.minimum(_unit(np.concatenate(corners, axis=-1)), CLIPPED_AT))
    return blocks.reshape(len(images), -1)


def _unit(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.sqrt((blocks**2).sum(axis=-1, keepdims=True) + np.float32(1e-5))
    return np.asarray(blocks / length, np.float32)
