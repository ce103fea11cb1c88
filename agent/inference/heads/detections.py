"""What every decoder ends with: scored boxes, clipped, sorted and bounded in number."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Detections(NamedTuple):
    """Boxes of one picture, best first."""

    boxes: NDArray[np.float32]
    """N×4 left, top, right, bottom in network pixels, inside the input."""
    scores: NDArray[np.float32]
    """N, in [0, 1]."""
    class_scores: NDArray[np.float32] | None
    """N×C in [0, 1]; None for a network with a single class."""


def best_first(
    boxes: NDArray[Any], class_scores: NDArray[Any], limit: int, input_hw_px: tuple[int, int]
) -> Detections:
    """Clip to the input, drop what is empty or not finite, sort, cut to ``limit``."""
    height, width = input_hw_px
    boxes = np.clip(boxes, 0.0, np.array((width, height, width, height), np.float32), dtype=np.float32)
    # A comparison with NaN is false, so this drops those too.
    whole = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    scores = class_scores[:, 0] if class_scores.shape[1] == 1 else class_scores.max(axis=1)
    order = np.argsort(-scores, kind="stable")
    order = order[whole[order]][:limit]
    return Detections(
        np.ascontiguousarray(boxes[order]),
        scores[order],
        class_scores[order] if class_scores.shape[1] > 1 else None,
    )


def nothing(classes: int) -> Detections:
    """An empty picture's boxes."""
    class_scores = None if classes == 1 else np.zeros((0, classes), np.float32)
    return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), class_scores)


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logistic function without overflow at either end."""
    small = np.exp(-np.abs(logits))
    return np.asarray(np.where(logits >= 0.0, 1.0, small) / (1.0 + small))
