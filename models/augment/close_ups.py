"""Training pictures of one face that fills much of the frame, as at a till, a kiosk or a laptop.

Everyday photos hold no face larger than about 150 of 224 pixels; without these pictures a detector draws
a box of that size inside every larger face.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from models.augment.warp import Composition, Source, covered_share, moved, tiled, warped

FACE_SHARE: Final = (0.08, 1.2)
"""Usual range of a face's height against the picture's; above 1 the picture cuts it off."""
SHEET_FACE_SHARE: Final = (0.42, 1.05)
"""The same in the cells of a contact sheet."""
LARGE_SHARE: Final = 0.6
"""Of the pictures whose face is drawn from the upper part of the range."""
LARGE_FROM: Final = 0.45
PLAIN_SHARE: Final = 0.35
"""Of the pictures on plain black or grey, as letterboxing leaves it."""
REPEATED_SHARE: Final = 0.35
"""Of the pictures in which the photo's border is repeated outwards; the rest lie over other scenes."""
TILT_RAD: Final = 0.15
STRETCH: Final = 0.1
"""Standard deviations of the turn and of the logarithm of width against height."""
UNTOUCHED: Final = 0.1
GONE: Final = 0.9
"""Covered shares of a face behind the photo: up to the first it is taught, from the second on forgotten."""
SKIN_TINT: Final = np.array([0.72, 0.86, 1.0])
"""Rough blue, green, red weights of skin, for grey photos."""


def close_up(
    generator: np.random.Generator,
    source: Source,
    behind: Composition,
    min_face_px: float,
    face_share: tuple[float, float] = FACE_SHARE,
) -> Composition:
    """Draw one picture of the size of ``behind``.

    Args:
        generator: All randomness comes from it.
        source: A grey photo with exactly one face.
        behind: Square picture for the part that the photo leaves free; drawn over.
        min_face_px: Shorter faces are ignored.
        face_share: Range of the face's height as a share of the picture's, log-uniform.
    """
    size_px = behind.pixels.shape[0]
    transform = _placement(generator, source, size_px, face_share)
    tint = 1 + generator.random() * (SKIN_TINT * generator.normal(1, 0.05, 3) - 1)
    tinted = _tinted(source, tint)
    kind = generator.random()
    if kind < REPEATED_SHARE:
        return warped(tinted, transform, (size_px, size_px), min_face_px)
    if kind < REPEATED_SHARE + PLAIN_SHARE:
        behind.pixels[:] = 0 if generator.random() < 0.5 else int(generator.integers(0, 256))  # noqa: PLR2004
        return warped(tinted, transform, (size_px, size_px), min_face_px, behind.pixels)
    front = warped(tinted, transform, (size_px, size_px), min_face_px, behind.pixels)
    height, width = source.levels[0].shape[:2]
    frame = moved(np.array([[0, 0, width, height]], np.float32), transform, (size_px, size_px))[0][0]
    hidden = covered_share(behind.faces, frame)
    seen = hidden <= UNTOUCHED
    return Composition(
        front.pixels,
        np.concatenate((front.faces, behind.faces[seen])),
        np.concatenate((front.tags, behind.tags[seen])),
        np.concatenate((front.ignored, behind.ignored, behind.faces[(hidden > UNTOUCHED) & (hidden < GONE)])),
    )


def _placement(
    generator: np.random.Generator, source: Source, size_px: int, face_share: tuple[float, float]
) -> np.ndarray:
    """2 x 3 matrix from the photo's pixels to the picture's: scale, stretch, mirror, tilt, shift."""
    lowest = max(face_share[0], LARGE_FROM) if generator.random() < LARGE_SHARE else face_share[0]
    aim_px = size_px * float(np.exp(generator.uniform(np.log(lowest), np.log(face_share[1]))))
    left, top, right, bottom = source.faces[0]
    scale_y = aim_px / max(1.0, float(bottom - top))
    scale_x = scale_y * float(np.exp(generator.normal(0.0, STRETCH)))
    if generator.random() < 0.5:  # noqa: PLR2004 - mirrored half of the time
        scale_x = -scale_x
    angle = float(generator.normal(0.0, TILT_RAD))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.diag([scale_x, scale_y])
    # A small face may stand anywhere; a large one near the middle, or little of it would be seen.
    room = max(0.12, 0.5 - 0.45 * aim_px / size_px)
    target = size_px * generator.uniform(0.5 - room, 0.5 + room, 2)
    shift = target - linear @ np.array([(left + right) / 2, (top + bottom) / 2])
    return np.column_stack((linear, shift))


def contact_sheet(
    generator: np.random.Generator, sources: Sequence[Source], size_px: int, min_face_px: float
) -> Composition:
    """Draw a square picture of ``len(sources)`` faces, a square number, in rows on plain ground.

    A lesson in expressions costs a picture; so many faces share one.
    """
    side = math.isqrt(len(sources))
    canvas = np.full((size_px, size_px, 3), int(generator.integers(0, 256)), np.uint8)
    cell_px = size_px // side
    nobody = np.zeros((0, 4), np.float32)
    cells = []
    for index, source in enumerate(sources):
        ground = np.tile(canvas[0, 0], (cell_px, cell_px, 1))
        behind = Composition(ground, nobody, np.zeros(0, np.int32), nobody)
        place = (index % side * size_px // side, index // side * size_px // side)
        cells.append((place, close_up(generator, source, behind, min_face_px, SHEET_FACE_SHARE)))
    return tiled(canvas, cells)


def _tinted(source: Source, tint: np.ndarray) -> Source:
    levels = tuple(np.clip(level * tint, 0, 255).astype(np.uint8) for level in source.levels)
    return replace(source, levels=levels)
