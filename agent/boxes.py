"""Boxes as rows of N×4 arrays: left, top, right, bottom in pixels; right and bottom are exclusive edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from agent.domain import Box

Real = TypeVar("Real", bound=np.floating)
"""Results keep the precision of what they are made from: float32 of a network, float64 of a tracker."""


def as_array(boxes: Sequence[Box]) -> NDArray[np.float64]:
    """N×4 float64."""
    return np.array([(box.left, box.top, box.right, box.bottom) for box in boxes], dtype=np.float64)


def areas(boxes: NDArray[Real]) -> NDArray[Real]:
    """N, square pixels; 0 for a box turned inside out."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)
    return np.asarray(sides[:, 0] * sides[:, 1])


def shared_areas(first: NDArray[Real], second: NDArray[Real]) -> NDArray[Real]:
    """Square pixels that each of N boxes has in common with each of M, N×M."""
    left, top, right, bottom = first.T[:, :, None]
    width = np.minimum(right, second[:, 2]) - np.maximum(left, second[:, 0])
    height = np.minimum(bottom, second[:, 3]) - np.maximum(top, second[:, 1])
    return np.asarray(np.maximum(width, 0.0) * np.maximum(height, 0.0))


def pairwise_iou(first: NDArray[Real], second: NDArray[Real]) -> NDArray[Real]:
    """Intersection over union of N×4 with M×4 boxes, N×M in [0, 1]; 0 where both are empty."""
    shared = shared_areas(first, second)
    union = areas(first)[:, None] + areas(second) - shared
    return np.asarray(shared / np.maximum(union, np.finfo(union.dtype).tiny))
