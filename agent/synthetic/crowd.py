"""Draws frames with a known number of faces, for measuring only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.domain import Box
from agent.errors import AgentError
from agent.synthetic.astronaut import HEIGHT_PX, WIDTH_PX, load_pictures, soft_mask

FRAMES: Final = 12
"""Different pictures; shown in turns, forwards and backwards."""
NOISE_LEVELS: Final = 3.0
"""Standard deviation of an ordinary sensor's noise indoors, in grey levels."""
_SWAY_PX: Final = 3.0
_MARGIN: Final = 0.94
"""Share of its grid cell that a head fills."""
_HEAD: Final = (slice(0, 225), slice(130, 320))
"""Rows and columns of the head in the astronaut's picture."""
_FACE: Final = Box(50.0, 60.0, 146.0, 183.0)
"""The face inside the head."""
_LABEL: Final = "happiness"
"""What the astronaut shows."""


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A picture of one head."""

    pixels: NDArray[np.uint8]
    """H×W×3 BGR."""
    face: Box
    """Of the face inside, in the head's pixels."""
    label: str


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """Frames, and what is to be seen in each."""

    frames: NDArray[np.uint8]
    """N×H×W×3 BGR."""
    faces: tuple[tuple[Box, ...], ...]
    """Per frame, in frame pixels."""
    labels: tuple[str, ...]
    """Per face; the same order in every frame."""


def draw_crowd(count: int, heads: Sequence[Head] | None = None) -> Clip:
    """``count`` faces in a grid, each swaying by itself.

    Args:
        count: Any number; 50 still are 20 px high at a 320 px network input.
        heads: To choose from in turns; None is the astronaut.

    Raises:
        AgentError: scikit-image is not installed.
    """
    wall, astronaut = _pictures()
    chosen = [(heads or [astronaut])[index % len(heads or [1])] for index in range(count)]
    frames = np.empty((FRAMES, HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    faces = []
    for index in range(FRAMES):
        frames[index] = wall
        phase = 2.0 * math.pi * index / FRAMES
        faces.append(tuple(_place(frames[index], head, spot, phase) for head, spot in _spots(chosen)))
    return Clip(frames, tuple(faces), tuple(head.label for head in chosen))


def empty_room() -> Clip:
    """Nobody in front of the wall, through a sensor's noise, which is another one in every frame."""
    wall, _ = _pictures()
    noise = np.random.default_rng(1).normal(0.0, NOISE_LEVELS, (FRAMES, HEIGHT_PX, WIDTH_PX, 3))
    frames = np.clip(wall + noise, 0.0, 255.0).astype(np.uint8)
    return Clip(frames, ((),) * FRAMES, ())


def _pictures() -> tuple[NDArray[np.uint8], Head]:
    try:
        wall, head = load_pictures(_HEAD)
    except ModuleNotFoundError as error:
        raise AgentError(
            f"the bench draws its frames from pictures in {error.name}:"
            " install them with pip install 'emotion-agent[demo]'",
        ) from error
    return np.asarray(cv2.cvtColor(wall, cv2.COLOR_GRAY2BGR)), Head(head, _FACE, _LABEL)


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where a head stands."""

    centre_x: float
    centre_y: float
    scale: float
    offset: float
    """In its own sway, radians."""


def _spots(heads: Sequence[Head]) -> list[tuple[Head, _Spot]]:
    """Grid cells of equal size, as nearly square to a head as can be."""
    count = max(1, len(heads))
    columns = max(1, min(count, round(math.sqrt(count * WIDTH_PX / HEIGHT_PX * 1.2))))
    rows = math.ceil(count / columns)
    cell_w, cell_h = WIDTH_PX / columns, HEIGHT_PX / rows
    spots = []
    for index, head in enumerate(heads):
        height, width = head.pixels.shape[:2]
        scale = min(_MARGIN * cell_w / width, _MARGIN * cell_h / height, 1.0)
        centre_x = (index % columns + 0.5) * cell_w
        centre_y = (index // columns + 0.5) * cell_h
        spots.append((head, _Spot(centre_x, centre_y, scale, 0.7 * index)))
    return spots


def _place(canvas: NDArray[np.uint8], head: Head, spot: _Spot, phase: float) -> Box:
    """Draw one head and tell where its face is."""
    width = max(8, round(head.pixels.shape[1] * spot.scale))
    height = max(8, round(head.pixels.shape[0] * spot.scale))
    left = round(spot.centre_x - width / 2 + _SWAY_PX * math.sin(phase + spot.offset))
    top = round(spot.centre_y - height / 2 + _SWAY_PX / 2 * math.cos(phase + spot.offset))
    left, top = max(0, min(WIDTH_PX - width, left)), max(0, min(HEIGHT_PX - height, top))
    picture = cv2.resize(head.pixels, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    opacity = soft_mask(height, width)
    behind = canvas[top : top + height, left : left + width]
    np.copyto(behind, (behind + opacity * (picture - behind)).astype(np.uint8))
    face = head.face
    return Box(
        left + face.left * spot.scale,
        top + face.top * spot.scale,
        left + face.right * spot.scale,
        top + face.bottom * spot.scale,
    )
