"""A labelled photo, scaled, turned and moved into place together with its boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from agent.boxes import areas, shared_areas
from models.data import Boxes, LabelledPhoto, Pixels, Tags

MIN_VISIBLE_SHARE = 0.4
"""A face of which less is left after cropping is ignored rather than taught."""


@dataclass(frozen=True, slots=True, eq=False)
class Composition:
    """A training picture; boxes are float32 N x 4 left, top, right, bottom in pixels."""

    pixels: Pixels
    faces: Boxes
    tags: Tags
    """Of ``faces``; see ``LabelledPhoto``."""
    ignored: Boxes


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A photo at full, half and quarter size, so that shrinking never aliases."""

    levels: tuple[Pixels, ...]
    faces: Boxes
    tags: Tags
    ignored: Boxes


def as_source(photo: LabelledPhoto) -> Source:
    """The photo with its smaller copies."""
    tags = np.zeros(len(photo.faces), np.int32) if photo.tags is None else photo.tags
    return Source(_pyramid(photo.pixels), photo.faces, tags, photo.ignored)


def _pyramid(pixels: Pixels) -> tuple[Pixels, ...]:
    levels = [pixels]
    for _ in range(2):
        height, width = levels[-1].shape[:2]
        halved = cv2.resize(
            levels[-1], (max(1, width // 2), max(1, height // 2)), interpolation=cv2.INTER_AREA
        )
        levels.append(np.asarray(halved, np.uint8))
    return tuple(levels)


def level_for(source: Source, scale: float) -> Pixels:
    """The smallest level that still has to be shrunk, or the full picture."""
    level = int(np.clip(np.floor(-np.log2(max(scale, 1e-3)) + 0.25), 0, len(source.levels) - 1))
    return source.levels[level]


def warped(
    source: Source,
    transform: np.ndarray,
    size: tuple[int, int],
    min_face_px: float,
    canvas: Pixels | None = None,
) -> Composition:
    """``source`` moved by a 2 x 3 matrix of photo to picture pixels.

    Args:
        source: What to show.
        transform: As :func:`cv2.warpAffine` takes it, but between corners of pixels, not their centres.
        size: Width and height of the result.
        min_face_px: Shorter faces become ignored regions.
        canvas: Drawn over where the photo reaches, and returned; without it the photo's border is repeated.
    """
    scale_y = float(np.hypot(transform[0, 1], transform[1, 1]))
    level = level_for(source, scale_y)
    ratio_y = source.levels[0].shape[0] / level.shape[0]
    ratio_x = source.levels[0].shape[1] / level.shape[1]
    # Boxes count from a pixel's corner, OpenCV from its centre: half a pixel in, half a pixel out.
    linear = transform[:, :2] @ np.diag([ratio_x, ratio_y])
    shift = transform[:, 2] + linear @ (0.5, 0.5) - 0.5
    adapted = np.column_stack((linear, shift))
    border = cv2.BORDER_REPLICATE if canvas is None else cv2.BORDER_TRANSPARENT
    pixels = cv2.warpAffine(level, adapted, size, dst=canvas, flags=cv2.INTER_LINEAR, borderMode=border)
    faces, visible = moved(source.faces, transform, size)
    ignored, seen = moved(source.ignored, transform, size)
    tall_enough = faces[:, 3] - faces[:, 1] >= min_face_px
    taught = tall_enough & (visible >= MIN_VISIBLE_SHARE)
    rest = np.concatenate((faces[~taught & (visible > 0)], ignored[seen > 0]))
    return Composition(np.asarray(pixels, np.uint8), faces[taught], source.tags[taught], rest)


def moved(boxes: Boxes, transform: np.ndarray, size: tuple[int, int]) -> tuple[Boxes, np.ndarray]:
    """Boxes in the cell, clipped to it, and the share of each that the cell shows.

    A tilted box keeps its own width and height instead of growing to hold its corners: faces are
    round, and the grown box would teach the detector to draw too large.
    """
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2 @ transform[:, :2].T + transform[:, 2]
    scale = np.hypot(transform[0, :2], transform[1, :2]) if len(boxes) else np.ones(2)
    halves = (boxes[:, 2:] - boxes[:, :2]) / 2 * scale
    moved = np.concatenate((centres - halves, centres + halves), 1)
    clipped = np.clip(moved, 0, np.array([*size, *size]))
    area = np.prod(moved[:, 2:] - moved[:, :2], axis=1)
    seen = np.prod(np.maximum(clipped[:, 2:] - clipped[:, :2], 0), axis=1)
    return clipped.astype(np.float32), seen / np.maximum(area, 1e-6)


def tiled(canvas: Pixels, cells: Sequence[tuple[tuple[int, int], Composition]]) -> Composition:
    """Pictures side by side on ``canvas``, drawn over; each with the place of its left upper corner."""
    faces, tags, ignored = [], [], []
    for (left, top), cell in cells:
        height, width = cell.pixels.shape[:2]
        canvas[top : top + height, left : left + width] = cell.pixels
        offset = np.array([left, top, left, top], np.float32)
        faces.append(cell.faces + offset)
        tags.append(cell.tags)
        ignored.append(cell.ignored + offset)
    return Composition(canvas, np.concatenate(faces), np.concatenate(tags), np.concatenate(ignored))


def covered_share(boxes: Boxes, area: Boxes) -> np.ndarray:
    """Share of each of N boxes that lies in ``area``, one box of four numbers."""
    share: np.ndarray = shared_areas(boxes, area[None])[:, 0] / np.maximum(areas(boxes), 1e-6)
    return share
