"""Draws the demo's clip: one public-domain face that comes, moves, leaves, and comes back in company."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.errors import CameraError
from agent.synthetic.astronaut import HEIGHT_PX, WIDTH_PX, load_pictures, soft_mask

FPS: Final = 12.0
_HEAD: Final = (slice(0, 300), slice(90, 360))  # rows and columns of the head in the astronaut's picture


@dataclass(frozen=True, slots=True)
class Visit:
    """One appearance: enters at one side, sways while it stays, leaves at the other."""

    arrives_s: float
    leaves_s: float
    height_px: int
    rests_at: float
    """Share of the picture's width where the head comes to rest."""
    mirrored: bool = False


VISITS: Final = (
    Visit(1.0, 13.0, 200, 0.30),
    Visit(6.0, 20.0, 150, 0.72, mirrored=True),
    Visit(17.0, 30.0, 230, 0.38, mirrored=True),
    Visit(24.0, 37.0, 130, 0.80),
    Visit(26.0, 38.0, 170, 0.12),
)


def write_clip(path: Path, duration_s: float) -> None:
    """Write a Motion-JPEG AVI of ``duration_s`` seconds.

    Raises:
        CameraError: OpenCV can't write the file.
    """
    codec = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), codec, FPS, (WIDTH_PX, HEIGHT_PX))
    if not writer.isOpened():
        raise CameraError(f"can't write the demo clip to {path}; free some space there or use --video FILE")
    try:
        for picture in render(duration_s):
            writer.write(picture)
    finally:
        writer.release()


def render(duration_s: float) -> Iterator[NDArray[np.uint8]]:
    """Pictures of the clip, H×W×3 uint8 BGR; the same array is drawn anew each time."""
    grey, head = load_pictures(_HEAD)
    wall = cv2.merge([cv2.convertScaleAbs(grey, alpha=share) for share in (0.75, 0.82, 0.9)])
    mask = soft_mask(*head.shape[:2], centre=0.47, reach=(0.42, 0.46), feather=0.03)
    canvas = np.empty((HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    for index in range(round(duration_s * FPS)):
        np.copyto(canvas, wall)
        for visit in VISITS:
            _draw(canvas, head, mask, visit, index / FPS)
        yield canvas


def _draw(
    canvas: NDArray[np.uint8],
    head: NDArray[np.uint8],
    mask: NDArray[np.float32],
    visit: Visit,
    now_s: float,
) -> None:
    """Blend one visitor in, cut off at the picture's borders."""
    if not visit.arrives_s <= now_s < visit.leaves_s:
        return
    height = visit.height_px
    width = round(height * head.shape[1] / head.shape[0])
    left, top = _position(visit, now_s, width)
    x0, x1 = max(0, left), min(canvas.shape[1], left + width)
    y0, y1 = max(0, top), min(canvas.shape[0], top + height)
    if x0 >= x1 or y0 >= y1:
        return
    face = cv2.resize(head, (width, height), interpolation=cv2.INTER_AREA)
    opacity = cv2.resize(mask, (width, height))[:, :, None]
    if visit.mirrored:
        face, opacity = face[:, ::-1], opacity[:, ::-1]
    part = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
    behind = canvas[y0:y1, x0:x1]
    np.copyto(behind, (behind + opacity[part] * (face[part].astype(np.float32) - behind)).astype(np.uint8))


def _position(visit: Visit, now_s: float, width: int) -> tuple[int, int]:
    """Left and top of the head: 1.5 s to walk in, 1.5 s to walk out, a gentle sway between."""
    walk_s = 1.5
    rest = visit.rests_at * WIDTH_PX - width / 2
    outside = -float(width) if visit.rests_at < 0.5 else float(WIDTH_PX)  # noqa: PLR2004 - the nearer side
    inward = min(1.0, (now_s - visit.arrives_s) / walk_s, (visit.leaves_s - now_s) / walk_s)
    eased = inward * inward * (3.0 - 2.0 * inward)
    sway = 12.0 * math.sin(1.3 * now_s + visit.height_px)
    left = outside + eased * (rest + sway - outside)
    top = 0.52 * HEIGHT_PX - visit.height_px / 2 + 6.0 * math.cos(1.7 * now_s)
    return round(left), round(top)
