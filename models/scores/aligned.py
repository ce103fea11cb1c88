"""Faces that fill the frame, on which a single stage is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from models.augment import Composition
from models.data import FERPLUS_BOX, in_protocol, majority

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.data import FerPlus

VALID_FACES: Final = 300
VALID_CANVAS_PX: Final = 320
VALID_SIDES_PX: Final = (24, 48, 96, 192, 320)


def aligned_pictures(faces: FerPlus) -> tuple[list[Composition], NDArray[np.int64]]:
    """Single FER+ faces of several sizes on black, and what each shows."""
    kept = faces.select(in_protocol(faces.votes, "classes8"))
    chosen = np.random.default_rng(3).permutation(len(kept.images))[:VALID_FACES]
    pictures = []
    for position, index in enumerate(chosen):
        side = VALID_SIDES_PX[position % len(VALID_SIDES_PX)]
        canvas = np.zeros((VALID_CANVAS_PX, VALID_CANVAS_PX, 3), np.uint8)
        start = (VALID_CANVAS_PX - side) // 2
        face = cv2.resize(kept.images[index], (side, side), interpolation=cv2.INTER_LINEAR)
        canvas[start : start + side, start : start + side] = face[..., None]
        box = np.array([FERPLUS_BOX], np.float32) * side / kept.images.shape[1] + start
        pictures.append(Composition(canvas, box, np.zeros(1, np.int32), np.zeros((0, 4), np.float32)))
    return pictures, majority(kept.votes[chosen])
