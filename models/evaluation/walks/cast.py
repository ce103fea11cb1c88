"""Heads of people whom no network was taught, cut out of their portraits."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.domain import EMOTIONS
from models.augment import SKIN_TINT
from models.data import Portrait, identity

Purpose = Literal["choosing", "reporting"]
"""Nobody is in the cast of both."""
SMALLEST_STEP: Final = 0.62
"""From one size that is kept of a head to the next smaller one."""
_SIZES: Final = 6


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """One head in several sizes."""

    label: str
    """Expression as the portrait's one labeller saw it."""
    pictures: tuple[NDArray[np.uint8], ...]
    """H×W×4 each, BGR and opacity, largest first."""
    heights_px: tuple[float, ...]
    """Of the face in each."""
    centres_px: tuple[tuple[float, float], ...]
    """Of the face in each, across and down."""
    aspect: float
    """Face width by face height."""


def make_cast(portraits: Sequence[Portrait], purpose: Purpose) -> list[Portrait]:
    """One portrait of each person of the half of the people that is for this purpose."""
    people = {identity(portrait.name): portrait for portrait in portraits}
    half = purpose == "reporting"
    return [portrait for name, portrait in sorted(people.items()) if zlib.crc32(name.encode()) % 2 == half]


def cut_head(portrait: Portrait) -> Head:
    """The head with a soft rim, tinted as skin, in sizes from the portrait's own downwards."""
    left, top, width, height = portrait.box
    grey = portrait.grey.astype(np.float32)
    centre = (left + width / 2.0, top + height / 2.0)
    rows, columns = np.indices(grey.shape, np.float32) + 0.5
    radius = np.hypot((columns - centre[0]) / (0.6 * width), (rows - centre[1]) / (0.6 * height))
    # A soft rim, and never a straight one where the photo itself ends.
    edges = np.minimum.reduce((rows, columns, grey.shape[0] - rows, grey.shape[1] - columns))
    opacity = np.clip((1.15 - radius) / 0.2, 0.0, 1.0) * np.clip(edges / (0.06 * height), 0.0, 1.0)
    colour = np.clip(grey[:, :, None] * SKIN_TINT * 1.1, 0.0, 255.0)
    pictures = [np.dstack((colour, 255.0 * opacity)).astype(np.uint8)]
    scales = [1.0]
    for _ in range(_SIZES - 1):
        scales.append(scales[-1] * SMALLEST_STEP)
        size = [max(2, round(side * scales[-1])) for side in pictures[0].shape[1::-1]]
        pictures.append(np.asarray(cv2.resize(pictures[0], size, interpolation=cv2.INTER_AREA), np.uint8))
    return Head(
        EMOTIONS[portrait.label],
        tuple(pictures),
        tuple(height * scale for scale in scales),
        tuple((centre[0] * scale, centre[1] * scale) for scale in scales),
        width / height,
    )
