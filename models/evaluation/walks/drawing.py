"""Draws one moment of a walk: wall, bodies, heads, pillars, then what the camera makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.domain import Box
from models.evaluation.walks.actors import (
    HEAD_RADII,
    HEIGHT_PX,
    SHOULDERS_AT,
    SHOULDERS_WIDE,
    WIDTH_PX,
    Kind,
    Posed,
)

NOISE_LEVELS: Final = 2.5
"""Standard deviation of the camera's noise."""
_HAIR: Final = (34, 40, 52)
_PILLAR: Final = (120, 128, 132)


class Painter:
    """Draws onto one canvas over and over.

    Args:
        wall: H×W×3 uint8 BGR behind everybody.
        seed: Of the noise.
    """

    def __init__(self, wall: NDArray[np.uint8], seed: int) -> None:
        self._wall = wall
        self._canvas = np.empty_like(wall)
        self._chance = np.random.default_rng(seed)
        shape = (HEIGHT_PX + 64, WIDTH_PX + 64, 3)
        self._noise = np.clip(self._chance.normal(0.0, NOISE_LEVELS, shape), -12, 12).astype(np.int8)

    def paint(
        self,
        present: Sequence[Posed],
        pillars: Sequence[Box],
        shift_px: tuple[float, float],
        light: float,
    ) -> NDArray[np.uint8]:
        """The picture, H×W×3 uint8 BGR; the same array each time.

        Args:
            present: Farthest first, shifted already.
            pillars: Before everybody.
            shift_px: Of the wall.
            light: 1 is full, 0 is dark.
        """
        canvas = self._canvas
        if shift_px == (0.0, 0.0):
            np.copyto(canvas, self._wall)
        else:
            matrix = np.array([[1.0, 0.0, shift_px[0]], [0.0, 1.0, shift_px[1]]])
            cv2.warpAffine(
                self._wall, matrix, (WIDTH_PX, HEIGHT_PX), dst=canvas, borderMode=cv2.BORDER_REPLICATE
            )
        for posed in present:
            _body(canvas, posed)
            if posed.turned:
                _hair(canvas, posed)
            else:
                _face(canvas, posed)
        for pillar in pillars:
            corners = [round(edge) for edge in (pillar.left, pillar.top, pillar.right, pillar.bottom)]
            cv2.rectangle(canvas, (corners[0], corners[1]), (corners[2] - 1, corners[3] - 1), _PILLAR, -1)
        if light != 1.0:
            cv2.convertScaleAbs(canvas, dst=canvas, alpha=light)
        top, left = self._chance.integers(0, 64, 2).tolist()
        grain = self._noise[top : top + HEIGHT_PX, left : left + WIDTH_PX]
        cv2.add(canvas, grain, dst=canvas, dtype=cv2.CV_8U)
        return canvas


def _body(canvas: NDArray[np.uint8], posed: Posed) -> None:
    clothes, box = posed.actor.clothes, posed.box
    if clothes is None:
        return
    across, down = (box.left + box.right) / 2.0, (box.top + box.bottom) / 2.0
    reach = SHOULDERS_WIDE * box.width
    top = round(down + SHOULDERS_AT * box.height)
    slope = max(1, round(0.25 * box.height))
    cv2.rectangle(
        canvas,
        (round(across - 0.3 * box.width), round(down)),
        (round(across + 0.3 * box.width), top + slope),
        (96, 120, 160),
        -1,
    )
    cv2.ellipse(canvas, (round(across), top + slope), (round(reach), slope), 0.0, 180.0, 360.0, clothes, -1)
    cv2.rectangle(
        canvas, (round(across - reach), top + slope), (round(across + reach), HEIGHT_PX), clothes, -1
    )


def _hair(canvas: NDArray[np.uint8], posed: Posed) -> None:
    box = posed.box
    centre = (round((box.left + box.right) / 2.0), round((box.top + box.bottom) / 2.0))
    axes = (round(HEAD_RADII * box.width), round(HEAD_RADII * box.height))
    cv2.ellipse(canvas, centre, axes, 0.0, 0.0, 360.0, _HAIR, -1)


def _face(canvas: NDArray[np.uint8], posed: Posed) -> None:
    """Blend the head in, moved by fractions of a pixel too: a slow sway must not jump."""
    head, box = posed.actor.head, posed.box
    fitting = [number for number, height in enumerate(head.heights_px) if height >= box.height]
    number = fitting[-1] if fitting else 0
    picture, centre = head.pictures[number], head.centres_px[number]
    scale = box.height / head.heights_px[number]
    left = (box.left + box.right) / 2.0 - centre[0] * scale
    top = (box.top + box.bottom) / 2.0 - centre[1] * scale
    x0, y0 = max(0, int(left)), max(0, int(top))
    x1 = min(WIDTH_PX, int(left + picture.shape[1] * scale) + 1)
    y1 = min(HEIGHT_PX, int(top + picture.shape[0] * scale) + 1)
    if x0 >= x1 or y0 >= y1:
        return
    matrix = np.array([[scale, 0.0, left - x0], [0.0, scale, top - y0]])
    drawn = cv2.warpAffine(picture, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR).astype(np.float32)
    if posed.actor.kind is Kind.poster:
        drawn[:, :, :3] *= 0.9
    behind = canvas[y0:y1, x0:x1]
    opacity = drawn[:, :, 3:] * np.float32(1.0 / 255.0)
    drawn[:, :, :3] -= behind
    np.copyto(behind, (behind + opacity * drawn[:, :, :3]).astype(np.uint8))
