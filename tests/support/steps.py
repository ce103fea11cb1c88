"""What a pipeline hands on, made up: tracks at places of a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agent.domain import Box, Track
from agent.pipeline import Step

if TYPE_CHECKING:
    from collections.abc import Mapping

PICTURE_PX: Final = (640, 480)
FACE_PX: Final = 40.0


def step_at(
    places: Mapping[int, tuple[float, float]],
    *,
    detected: bool = True,
    picture_px: tuple[int, int] = PICTURE_PX,
    face_px: float = FACE_PX,
) -> Step:
    """Faces of ``face_px`` with their centres at x and y pixels, by track."""
    half = face_px / 2.0
    tracks = tuple(
        Track(track_id, Box(x - half, y - half, x + half, y + half), 0.9, observed=True)
        for track_id, (x, y) in places.items()
    )
    return Step((), 1.0, tracks, picture_px, detected=detected)
