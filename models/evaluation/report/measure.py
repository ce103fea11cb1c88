"""What the plots show: measured through the device's own code, or read from a training run's log."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.data import majority
from models.evaluation.evaluate import open_yunet
from models.evaluation.protocols import NineScores, score_nine
from models.evaluation.subject import Subject
from models.scores import (
    FACE_HEIGHTS_PX,
    average_precision,
    emotion_logits,
    judge_faces,
    judge_yunet,
    precision_recall,
    probabilities,
)
from models.training import LOG

BINS: Final = 15
PLAIN: Final = ("epoch", "seconds")
"""Columns that are no curve."""


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """How often a network is right when it is so sure, in ``BINS`` equal parts of 0…1."""

    confidence: NDArray[np.float64]
    """Mean of each part; NaN where nothing fell."""
    accuracy: NDArray[np.float64]
    faces: NDArray[np.int64]

    @property
    def expected_error(self) -> float:
        """Mean distance between confidence and accuracy over all faces (Naeini et al. 2015)."""
        seen = self.faces > 0
        gaps = np.abs(self.confidence[seen] - self.accuracy[seen])
        return float(np.average(gaps, weights=self.faces[seen])) if seen.any() else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Precision against recall of one detector for faces of one least height."""

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    area: float
    """AP50; NaN where no face is tall enough."""


def measure_expressions(subject: Subject) -> tuple[NineScores, Reliability]:
    """Confusions and calibration of the subject's classifier.

    Raises:
        ModelError: The data are missing or broken.
    """
    faces, network = subject.ferplus("classes9"), subject.classifier
    logits = emotion_logits(network, faces.images)
    shares = probabilities(logits, network.entry.temperature)
    right = shares.argmax(axis=1) == majority(faces.votes)
    return score_nine(network, logits, faces.votes), reliability(shares.max(axis=1), right)


def reliability(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> Reliability:
    """Sort N answers by how sure the network was of them."""
    part = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    faces = np.bincount(part, minlength=BINS).astype(np.int64)
    sums = [np.bincount(part, weights=values, minlength=BINS) for values in (confidence, right)]
    with np.errstate(invalid="ignore"):
        return Reliability(sums[0] / faces, sums[1] / faces, faces)


def measure_faces(subject: Subject) -> Mapping[str, Mapping[int, Curve]]:
    """Curves of the subject's detector, and of YuNet where its file is, by least face height in px."""
    network, photos = subject.detector, subject.data.crowds
    input_px = network.entry.input.height_px
    judged = {f"{network.name}, {network.file.precision}": judge_faces(network, photos)}
    peer = open_yunet(subject.data.peers, input_px)
    if peer is not None:
        judged[f"YuNet at {input_px} px"] = judge_yunet(peer, photos, input_px)
    return {
        name: {
            height: Curve(*precision_recall(found, height), average_precision(found, height))
            for height in FACE_HEIGHTS_PX
        }
        for name, found in judged.items()
    }


@dataclass(frozen=True, slots=True)
class RunLog:
    """One run, one value per epoch."""

    name: str
    epochs: tuple[float, ...]
    losses: Mapping[str, tuple[float, ...]]
    """To be small; by column."""
    scores: Mapping[str, tuple[float, ...]]
    """To be large."""


def read_run(run_dir: Path) -> RunLog:
    """Read the log in a run's folder.

    Raises:
        ValueError: There is none, it is empty, or a cell is no number.
    """
    path = run_dir / LOG
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise ValueError(f"can't read {path}: name the folder of a training run with --run") from error
    if not rows:
        raise ValueError(f"{path} has no epoch yet: wait for the first or leave --run out")
    try:
        columns = {name: tuple(float(row[name]) for row in rows) for name in rows[0]}
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} holds what is no number ({error}): name another run with --run") from error
    curves = {name: values for name, values in columns.items() if name not in PLAIN}
    return RunLog(
        run_dir.name,
        columns.get("epoch", tuple(float(index + 1) for index in range(len(rows)))),
        {name: values for name, values in curves.items() if "loss" in name},
        {name: values for name, values in curves.items() if "loss" not in name},
    )
