"""Exclusion zones: areas blackened before detection, so that nobody in them is ever looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agent.host import load_opencv

if TYPE_CHECKING:
    from agent.settings import Polygon


class ExclusionMask:
    """Polygons in shares of width and height, worked out once per frame size."""

    def __init__(self, polygons: tuple[Polygon, ...]) -> None:
        self._polygons = polygons
        self._cv2 = load_opencv()
        self._shape: tuple[int, int] | None = None
        self._corners_px: list[NDArray[np.int32]] = []

    def apply(self, pixels: NDArray[np.uint8]) -> None:
        """Blacken the zones in place; a pixel touched by a zone's outline is black too.

        Args:
            pixels: H×W×3 uint8 of any size, changed in place.
        """
        shape = (pixels.shape[0], pixels.shape[1])
        if shape != self._shape:
            self._shape = shape
            self._corners_px = [_in_pixels(polygon, *shape) for polygon in self._polygons]
        for corners_px in self._corners_px:
            self._cv2.fillPoly(pixels, [corners_px], (0, 0, 0))


def _in_pixels(polygon: Polygon, height_px: int, width_px: int) -> NDArray[np.int32]:
    # A share of 1.0 is the far edge of the last pixel; rounding down and drawing the outline covers
    # every pixel the polygon reaches into.
    shares = np.asarray(polygon, dtype=np.float64)
    corners = np.floor(shares * (width_px, height_px)).astype(np.int32)
    return np.minimum(corners, (width_px - 1, height_px - 1)).astype(np.int32)
