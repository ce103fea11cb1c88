"""AP50 of face boxes by the height of the faces at the network's input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.boxes import areas, pairwise_iou, shared_areas
from models.data import Boxes

OVERLAP: Final = 0.5
"""A detection this much over a true face (IoU) has found it."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Truth and detections of one photo, in pixels of the network's input."""

    faces: Boxes
    """G x 4 float32 left, top, right, bottom."""
    boxes: Boxes
    """D x 4 float32, same layout."""
    scores: Boxes
    """D float32."""


def outside_ignored(boxes: Boxes, ignored: Boxes) -> NDArray[np.bool_]:
    """Which of D boxes are to be judged: those with at most half of their area in any ignored region."""
    if not len(boxes) or not len(ignored):
        return np.ones(len(boxes), bool)
    share = shared_areas(boxes, ignored) / np.maximum(areas(boxes)[:, None], 1e-9)
    return np.asarray(share.max(axis=1) <= 0.5)  # noqa: PLR2004 - as the docstring says


def average_precision(photos: Sequence[Judged], min_height_px: float) -> float:
    """Area under the interpolated precision-recall curve at IoU 0.5: see :func:`precision_recall`.

    Returns:
        0..1; NaN where no true face is tall enough.
    """
    precision, recall = precision_recall(photos, min_height_px)
    if not len(recall):
        return float("nan")
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.diff(np.concatenate(([0.0], recall)))
    return float((steps * envelope).sum())


def precision_recall(
    photos: Sequence[Judged], min_height_px: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Precision and recall at IoU 0.5 after each detection, highest score first.

    True faces shorter than ``min_height_px`` are ignored: a detection on one counts neither way.
    Detections that match nothing and are shorter than that are ignored as well. Each true face is
    found at most once, by the highest-scored detection that overlaps it most.

    Returns:
        Two arrays of equal length; both empty where no true face is tall enough, and after no detection
        both hold one 0.
    """
    hits: list[NDArray[np.bool_]] = []
    scores: list[Boxes] = []
    total = 0
    for photo in photos:
        outcome, counted = _outcomes(photo, min_height_px)
        hits.append(outcome[counted])
        scores.append(np.sort(photo.scores)[::-1][counted])
        total += int((_heights(photo.faces) >= min_height_px).sum())
    if total == 0:
        return np.zeros(0), np.zeros(0)
    order = np.argsort(-np.concatenate(scores), kind="stable")
    found = np.cumsum(np.concatenate(hits)[order])
    if not len(found):
        return np.zeros(1), np.zeros(1)
    return found / np.arange(1, len(found) + 1), found / total


def _outcomes(photo: Judged, min_height_px: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of each detection, highest score first: did it find a face, and does it count at all."""
    boxes = photo.boxes[np.argsort(-photo.scores, kind="stable")]
    asked = _heights(photo.faces) >= min_height_px
    overlaps = pairwise_iou(boxes, photo.faces)
    taken = np.zeros(len(photo.faces), bool)
    hit = np.zeros(len(boxes), bool)
    counted = _heights(boxes) >= min_height_px
    for i in range(len(boxes)):
        free = np.where(taken, 0.0, overlaps[i])
        # A tall enough face has the first claim; a short one only excuses the detection.
        on_asked = np.where(asked, free, 0.0)
        best = int(on_asked.argmax()) if len(on_asked) else -1
        if best >= 0 and on_asked[best] >= OVERLAP:
            taken[best] = hit[i] = counted[i] = True
        elif np.any(overlaps[i][~asked] >= OVERLAP):
            counted[i] = False
    return hit, counted


def _heights(boxes: Boxes) -> Boxes:
    return np.asarray(boxes[:, 3] - boxes[:, 1])
