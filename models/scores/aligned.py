"""Single FER+ faces of several sizes on black: is each found, and named rightly?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.domain import Box, Face
from models.augment import Composition
from models.data import FERPLUS_BOX, FerPlus, in_protocol, majority
from models.scores.faces import OVERLAP

VALID_FACES: Final = 300
VALID_CANVAS_PX: Final = 320
VALID_SIDES_PX: Final = (24, 48, 96, 192, 320)


@dataclass(frozen=True, slots=True, eq=False)
class AlignedPictures:
    """Pictures of one face each, on which a single stage is chosen."""

    pictures: list[Composition]
    truth: NDArray[np.int64]
    """Index into ``EMOTIONS`` of what each shows."""

    def share_right(self, best: Callable[[Composition], Face | None]) -> float:
        """Share whose ``best`` detection overlaps the face by half (IoU) and leads with its expression."""
        right = 0
        for picture, label in zip(self.pictures, self.truth, strict=True):
            face = best(picture)
            if face is not None and face.emotion_scores is not None:
                overlap = face.box.iou(Box(*picture.faces[0].tolist()))
                right += int(overlap >= OVERLAP and int(np.argmax(face.emotion_scores)) == label)
        return right / max(1, len(self.pictures))


def aligned_pictures(faces: FerPlus) -> AlignedPictures:
    """Some faces of the eight-class protocol, always the same."""
    kept = faces.select(in_protocol(faces.votes, "classes8"))
    chosen = np.random.default_rng(3).permutation(len(kept.images))[:VALID_FACES]
    pictures = []
    for position, index in enumerate(chosen):
        side_px = VALID_SIDES_PX[position % len(VALID_SIDES_PX)]
        canvas, square = on_canvas(kept.images[index], side_px, VALID_CANVAS_PX)
        box = np.array([FERPLUS_BOX], np.float32) * side_px / kept.images.shape[1] + square.left
        pictures.append(Composition(canvas, box, np.zeros(1, np.int32), np.zeros((0, 4), np.float32)))
    return AlignedPictures(pictures, majority(kept.votes[chosen]))


def on_canvas(image: NDArray[np.uint8], size_px: int, canvas_px: int) -> tuple[NDArray[np.uint8], Box]:
    """A grey face enlarged to ``size_px`` in the middle of a black BGR picture, and its square there."""
    canvas = np.zeros((canvas_px, canvas_px, 3), np.uint8)
    start = (canvas_px - size_px) // 2
    enlarged = cv2.resize(image, (size_px, size_px), interpolation=cv2.INTER_LINEAR)
    canvas[start : start + size_px, start : start + size_px] = enlarged[:, :, None]
    return canvas, Box(start, start, start + size_px, start + size_px)
