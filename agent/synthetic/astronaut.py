"""The one public-domain face that clips are drawn from, and the wall behind it.

The face is scikit-image's ``astronaut`` (NASA, public domain), who smiles; the wall is its ``brick`` (CC0).
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH_PX: Final = 640
HEIGHT_PX: Final = 480


def load_pictures(head: tuple[slice, slice]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The wall, grey, and some rows and columns of the astronaut's picture, BGR.

    Raises:
        ModuleNotFoundError: scikit-image is not installed.
    """
    from skimage import data  # noqa: PLC0415 - an optional dependency

    wall = cv2.resize(data.brick(), (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)
    cut = np.ascontiguousarray(data.astronaut()[head])
    return np.asarray(wall, np.uint8), np.asarray(cv2.cvtColor(cut, cv2.COLOR_RGB2BGR), np.uint8)


def soft_mask(
    height: int,
    width: int,
    *,
    centre: float = 0.5,
    reach: tuple[float, float] = (0.47, 0.48),
    feather: float = 0.02,
) -> NDArray[np.float32]:
    """H×W×1 opacity in [0, 1]: an ellipse with a feathered rim, so that no hard edge looks like a face.

    Args:
        height: Pixels.
        width: Pixels.
        centre: Of the ellipse, as a share of the height.
        reach: Half its width and height, as shares of the picture's.
        feather: Of the rim, as a share of the height.
    """
    mask = np.zeros((height, width), np.float32)
    axes = (int(reach[0] * width), int(reach[1] * height))
    cv2.ellipse(mask, (width // 2, int(centre * height)), axes, 0, 0, 360, 1.0, -1)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(0.5, feather * height)), np.float32)[:, :, None]
