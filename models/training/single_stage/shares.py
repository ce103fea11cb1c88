"""What a single-stage detector is taught of each face's expression, whatever the face's source.

FER+ faces bring their taggers' votes, portraits one person's label, and the faces of everyday scenes what our
own classifier makes of them (a student taught by a teacher, Hinton et al. 2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.domain import EMOTIONS, Box
from agent.inference import crop_face
from models.data import (
    UNKNOWN_INDEX,
    LabelledPhoto,
    in_protocol,
    read_close_ups,
    read_ferplus,
    read_portraits,
    read_scenes,
    read_tight_faces,
    soft_targets,
)
from models.networks import MobileNetEmotion, logits_of
from models.scores import probabilities
from models.training.emotion import PORTRAIT_CROP_SCALE, portrait_shares

SCENE_CERTAINTY: Final = 0.9
"""Share of a scene face's target that is the classifier's answer; the rest goes evenly to all."""


@dataclass(frozen=True, slots=True, eq=False)
class ExpressionData:
    """Photos whose tags are rows of ``shares``."""

    scenes: list[LabelledPhoto]
    close_ups: list[LabelledPhoto]
    tight: list[LabelledPhoto]
    shares: NDArray[np.float32]
    """T x 8, each row sums to 1, in ``EMOTIONS`` order."""


def read_expressions(data_dir: Path, classifier: MobileNetEmotion) -> ExpressionData:
    """The training photos of the face detector with an expression per face.

    Raises:
        ModelError: A file is missing or broken.
    """
    rows: list[NDArray[np.float32]] = []
    scenes = read_scenes(data_dir, "train")
    scenes = _tagged(scenes, rows, _scene_shares(scenes, classifier))
    close_ups = read_close_ups(data_dir)
    labels = np.array([portrait.label for portrait in read_portraits(data_dir, "train")])
    close_ups = _tagged(close_ups, rows, portrait_shares(labels, len(EMOTIONS)))
    faces = read_ferplus(data_dir, "train")
    faces = faces.select(in_protocol(faces.votes, "classes9"))
    votes = soft_targets(faces.votes)[:, :UNKNOWN_INDEX]
    tight = _tagged(read_tight_faces(data_dir), rows, _normalised(votes))
    certain = [photo for photo, vote in zip(tight, votes, strict=True) if vote.sum() > 0.5]  # noqa: PLR2004 - half
    return ExpressionData(scenes, close_ups, certain, np.concatenate(rows))


def teaching_shares(shares: NDArray[np.float32]) -> NDArray[np.float32]:
    """T x 8 targets: rows scaled to a largest share of 1, for the best score stands for the face."""
    scaled: NDArray[np.float32] = shares / shares.max(axis=1, keepdims=True)
    return scaled


def _tagged(
    photos: Sequence[LabelledPhoto], rows: list[NDArray[np.float32]], shares: NDArray[np.float32]
) -> list[LabelledPhoto]:
    """Copies whose faces, in order, are tagged with the rows of ``shares``, which are added to ``rows``."""
    following = sum(len(part) for part in rows)
    rows.append(shares)
    tagged = []
    for photo in photos:
        count = len(photo.faces)
        tags = np.arange(following, following + count, dtype=np.int32)
        tagged.append(replace(photo, tags=tags))
        following += count
    return tagged


def _scene_shares(scenes: Sequence[LabelledPhoto], classifier: MobileNetEmotion) -> NDArray[np.float32]:
    side_px = classifier.spec.input_px
    crops = []
    for photo in scenes:
        grey = np.asarray(cv2.cvtColor(photo.pixels, cv2.COLOR_BGR2GRAY), np.uint8)
        for left, top, right, bottom in photo.faces.tolist():
            crop = np.empty((side_px, side_px), np.uint8)
            crop_face(grey, Box(left, top, right, bottom), PORTRAIT_CROP_SCALE, crop)
            crops.append(crop)
    logits = logits_of(classifier, np.stack(crops))[:, :UNKNOWN_INDEX]
    sure = SCENE_CERTAINTY * probabilities(logits) + (1.0 - SCENE_CERTAINTY) / len(EMOTIONS)
    return sure.astype(np.float32)


def _normalised(shares: NDArray[np.float32]) -> NDArray[np.float32]:
    total = shares.sum(axis=1, keepdims=True)
    even = np.full_like(shares, 1.0 / shares.shape[1])
    normalised: NDArray[np.float32] = np.where(total > 0.0, shares / np.maximum(total, 1e-6), even)
    return normalised
