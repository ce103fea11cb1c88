"""The one public-domain face that clips are drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from agent.domain import Box
from agent.errors import AgentError

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH_PX: Final = 640
HEIGHT_PX: Final = 480
LABEL: Final = "happiness"
"""What the astronaut shows."""
_HEAD: Final = (slice(0, 225), slice(130, 320))
"""Rows and columns of the head in the astronaut's picture."""
_FACE: Final = Box(50.0, 60.0, 146.0, 183.0)
"""The face inside the head."""


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A picture of one head."""

    pixels: NDArray[np.uint8]
    """H×W×3 BGR."""
    face: Box
    """Of the face inside, in the head's pixels."""
    label: str


def _soft_mask(height: int, width: int) -> NDArray[np.float32]:
    mask = np.zeros((height, width), np.float32)
    cv2.ellipse(mask, (width // 2, height // 2), (int(0.47 * width), int(0.48 * height)), 0, 0, 360, 1.0, -1)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(0.5, 0.02 * height)), np.float32)[:, :, None]


def _pictures() -> tuple[NDArray[np.uint8], Head]:
    try:
        from skimage import data  # noqa: PLC0415 - an optional dependency
    except ModuleNotFoundError as error:
        raise AgentError(
            f"the bench draws its frames from pictures in {error.name}:"
            " install them with pip install 'emotion-agent[demo]'",
        ) from error
    wall = cv2.resize(data.brick(), (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)
    head = cv2.cvtColor(np.ascontiguousarray(data.astronaut()[_HEAD]), cv2.COLOR_RGB2BGR)
    return np.asarray(cv2.cvtColor(wall, cv2.COLOR_GRAY2BGR)), Head(np.asarray(head), _FACE, LABEL)
