"""How tightly a face should be cut before it is classified: measured on portraits of unseen people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from models.data import UNKNOWN_INDEX, read_portraits, square_crop
from models.networks import logits_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from models.networks import MobileNetEmotion

CROP_SCALES: Final = (0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4)

ENOUGH: Final = 10
"""Portraits of a label; the recall of fewer says nothing."""


@dataclass(frozen=True, slots=True)
class Framing:
    """Shares of right labels in [0, 1] at one crop scale."""

    crop_scale: float
    accuracy: float
    """Over all portraits, most of which are neutral or happy."""
    mean_recall: float
    """Mean over the labels that at least ``ENOUGH`` portraits carry: each expression counts alike."""


def compare_framings(
    network: MobileNetEmotion,
    data_dir: Path,
    crop_scales: Sequence[float] = CROP_SCALES,
) -> list[Framing]:
    """Score the best expression of portraits of people outside the training split, per crop scale.

    Raises:
        ModelError: The portraits are missing or damaged.
    """
    portraits = read_portraits(data_dir, "valid")
    truth = np.array([portrait.label for portrait in portraits])
    carried = np.bincount(truth)
    enough = np.flatnonzero(carried >= min(ENOUGH, carried.max()))
    framings = []
    for crop_scale in crop_scales:
        crops = np.stack([square_crop(portrait, network.spec.input_px, crop_scale) for portrait in portraits])
        right = logits_of(network, crops)[:, :UNKNOWN_INDEX].argmax(axis=1) == truth
        recalls = [right[truth == label].mean() for label in enough]
        framings.append(Framing(crop_scale, float(right.mean()), float(np.mean(recalls))))
    return framings
