"""Coarse grey views of a frame, cheap enough to take of every one."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.host import load_opencv

MOST_ROWS: Final = 60
MOST_COLUMNS: Final = 80

_READ_PER_CELL: Final = 4
"""Rows and columns read for each averaged one, at least; reading all of an 8K frame would take too long."""


def thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Single pixels on a regular grid, green channel, not averaged.

    Green carries most of the brightness, and picking pixels costs microseconds at any frame size where
    averaging would read the whole frame.

    Args:
        pixels: H×W×3 uint8, BGR, not empty.

    Returns:
        uint8 of at most ``MOST_ROWS`` × ``MOST_COLUMNS``, a copy.
    """
    step_down = -(-pixels.shape[0] // MOST_ROWS)
    step_right = -(-pixels.shape[1] // MOST_COLUMNS)
    return np.ascontiguousarray(pixels[step_down // 2 :: step_down, step_right // 2 :: step_right, 1])


def averaged(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Means over the cells of a grid, green channel: a quarter of the noise of single pixels.

    Args:
        pixels: H×W×3 uint8, BGR, not empty.

    Returns:
        uint8 of exactly ``MOST_ROWS`` × ``MOST_COLUMNS``.
    """
    cv2 = load_opencv()
    step = max(1, min(pixels.shape[0] // MOST_ROWS, pixels.shape[1] // MOST_COLUMNS) // _READ_PER_CELL)
    green = np.ascontiguousarray(pixels[::step, ::step, 1])
    cells: NDArray[np.uint8] = cv2.resize(green, (MOST_COLUMNS, MOST_ROWS), interpolation=cv2.INTER_AREA)
    return cells
