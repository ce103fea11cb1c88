"""Composed training pictures: many small crops of scenes side by side, portraits pasted on top.

Everyday photos hold one or two faces each, crowds hold dozens between 8 and 40 pixels. A mosaic
(Bochkovskiy et al. 2020, YOLOv4, section 3.4) of scaled-down crops makes the one out of the other.
Here each cell of the mosaic chooses a face and the height it shall have, so that the face sizes
follow a chosen distribution whatever the photos were like.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np

from models.augment.close_ups import SKIN_TINT, close_up, contact_sheet
from models.augment.photometry import degraded
from models.augment.warp import Composition, Source, as_source, covered_share, level_for, tiled, warped
from models.data import Boxes, LabelledPhoto

DRAWS_FOR_A_SHARP_FACE = 4
TIGHT_SHARE = 0.5
"""Of the pictures of one large face, where there are tightly cut photos."""
TIGHT_SHEET_SHARE = 0.8
"""The same of the faces on a contact sheet: their labels are ten people's opinions."""


@dataclass(frozen=True, slots=True)
class MosaicStyle:
    """How a picture is composed."""

    grid_weights: tuple[float, ...] = (0.10, 0.25, 0.32, 0.25, 0.08)
    """Relative frequency of 1x1, 2x2, 3x3, 4x4 and 5x5 mosaics."""
    min_face_px: float = 5.0
    """Shorter faces are ignored: they can neither be taught nor asked for."""
    face_range_px: tuple[float, float] = (7.0, 150.0)
    """Range of the heights that cells aim at, log-uniform."""
    max_enlargement: float = 1.3
    """No photo is blown up more, unless a cell is taller than it."""
    paste_probability: float = 0.4
    max_pastes: int = 4
    no_face_share: float = 0.14
    """Share of cells that show a photo without faces."""
    rotated_share: float = 0.25
    close_up_share: float = 0.2
    """Share of pictures that show one face, up to larger than the frame (:mod:`models.augment.close_ups`)."""
    sheet_share: float = 0.0
    """Share of pictures that are contact sheets."""
    sheet_weights: tuple[float, ...] = (0.50, 0.25, 0.15, 0.07, 0.03)
    """Relative frequency of sheets of 1, 4, 9, 16 and 25 faces; most faces are small even so."""
    degrade: bool = True
    """Colour, blur, JPEG and noise."""


class Composer:
    """Draws compositions; everything random comes from the generator that is handed in."""

    def __init__(
        self,
        scenes: Sequence[LabelledPhoto],
        close_ups: Sequence[LabelledPhoto],
        tight: Sequence[LabelledPhoto] = (),
    ) -> None:
        """Prepare the photos.

        Args:
            scenes: Everyday photos with any number of faces.
            close_ups: Grey portraits with a margin around the one face: pasted, and shown large.
            tight: Grey photos of little but a face: shown large only, for a paste would have no hair.
        """
        sources = [as_source(photo) for photo in scenes]
        self._with_faces = [source for source in sources if len(source.faces)]
        self._without_faces = [source for source in sources if not len(source.faces)]
        # Photos of groups are rare and look most like crowds: they are drawn more often.
        crowding = np.sqrt([float(len(source.faces)) for source in self._with_faces])
        self._crowding = np.cumsum(crowding) / max(1e-9, float(crowding.sum()))
        self._tallest_px = [float(_heights(source.faces).max()) for source in self._with_faces]
        self._close_ups = [as_source(photo) for photo in close_ups]
        self._tight = [as_source(photo) for photo in tight]

    def compose(self, generator: np.random.Generator, size_px: int, style: MosaicStyle) -> Composition:
        """Draw one ``size_px`` x ``size_px`` picture."""
        if generator.random() < style.sheet_share:
            composition = self._sheet(generator, size_px, style)
        else:
            composition = self._everyday(generator, size_px, style)
        if style.degrade:
            composition = replace(composition, pixels=degraded(generator, composition.pixels))
        return composition

    def _sheet(self, generator: np.random.Generator, size_px: int, style: MosaicStyle) -> Composition:
        weights = np.asarray(style.sheet_weights)
        side = 1 + int(generator.choice(len(weights), p=weights / weights.sum()))
        sources = [self._one_face(generator, TIGHT_SHEET_SHARE) for _ in range(side**2)]
        return contact_sheet(generator, sources, size_px, style.min_face_px)

    def _one_face(self, generator: np.random.Generator, tight_share: float) -> Source:
        tight = self._tight and generator.random() < tight_share
        choice = self._tight if tight else self._close_ups
        return choice[int(generator.integers(len(choice)))]

    def _everyday(self, generator: np.random.Generator, size_px: int, style: MosaicStyle) -> Composition:
        """A mosaic of scenes, or one face over it, or some pasted in."""
        weights = np.asarray(style.grid_weights)
        grid = 1 + int(generator.choice(len(weights), p=weights / weights.sum()))
        canvas = np.empty((size_px, size_px, 3), np.uint8)
        rows, columns = _cuts(generator, size_px, grid), _cuts(generator, size_px, grid)
        cells = [
            ((left, top), self._cell(generator, (right - left, bottom - top), style))
            for top, bottom in pairwise(rows)
            for left, right in pairwise(columns)
        ]
        composition = tiled(canvas, cells)
        if self._close_ups and generator.random() < style.close_up_share:
            source = self._one_face(generator, TIGHT_SHARE)
            composition = close_up(generator, source, composition, style.min_face_px)
        elif self._close_ups and generator.random() < style.paste_probability:
            for _ in range(int(generator.integers(1, style.max_pastes + 1))):
                composition = self._with_portrait(generator, composition)
        return composition

    def _cell(self, generator: np.random.Generator, size: tuple[int, int], style: MosaicStyle) -> Composition:
        if self._without_faces and (not self._with_faces or generator.random() < style.no_face_share):
            source = self._without_faces[int(generator.integers(len(self._without_faces)))]
            aim_px = 0.0
        else:
            aim_px = _aim(generator, size[1], style)
            source = self._sharp_enough(generator, aim_px / style.max_enlargement)
        transform = _crop_transform(generator, source, aim_px, size, style)
        return warped(source, transform, size, style.min_face_px)

    def _sharp_enough(self, generator: np.random.Generator, least_px: float) -> Source:
        """A photo with a face of ``least_px`` or more; after some draws without one, the last drawn."""
        for _ in range(DRAWS_FOR_A_SHARP_FACE):
            drawn = int(np.searchsorted(self._crowding, generator.random(), side="right"))
            drawn = min(drawn, len(self._with_faces) - 1)
            if self._tallest_px[drawn] >= least_px:
                break
        return self._with_faces[drawn]

    def _with_portrait(self, generator: np.random.Generator, below: Composition) -> Composition:
        """Blend one portrait in through a soft ellipse, where it covers no face by half."""
        size_px = below.pixels.shape[0]
        source = self._close_ups[int(generator.integers(len(self._close_ups)))]
        height_px = float(np.exp(generator.uniform(np.log(8), np.log(0.8 * size_px))))
        full = source.levels[0]
        scale_y = height_px / full.shape[0]
        scale_x = scale_y * float(np.exp(generator.normal(-0.2, 0.2)))
        width, height = max(4, round(full.shape[1] * scale_x)), max(6, round(full.shape[0] * scale_y))
        if width >= size_px or height >= size_px:
            return below
        left = int(generator.integers(0, size_px - width))
        top = int(generator.integers(0, size_px - height))
        scale = np.array([scale_x, scale_y, scale_x, scale_y], np.float32)
        offset = np.array([left, top, left, top], np.float32)
        face = source.faces[0] * scale
        area = offset + np.array([0, 0, width, height], np.float32)
        if np.any(covered_share(np.concatenate((below.faces, below.ignored)), area) > 0.1):  # noqa: PLR2004 - a tenth
            return below
        pasted = cv2.resize(level_for(source, scale_y), (width, height), interpolation=cv2.INTER_LINEAR)
        if generator.random() < 0.5:  # noqa: PLR2004 - mirrored half of the time
            pasted = np.ascontiguousarray(pasted[:, ::-1])
            face = np.array([width - face[2], face[1], width - face[0], face[3]], np.float32)
        alpha = _ellipse(face, width, height)[..., None]
        tint = 1 + generator.random() * (SKIN_TINT * generator.normal(1, 0.05, 3) - 1)
        window = below.pixels[top : top + height, left : left + width]
        blended = np.clip(pasted * tint * 1.1, 0, 255) * alpha + window * (1 - alpha)
        below.pixels[top : top + height, left : left + width] = blended.astype(np.uint8)
        faces = np.concatenate((below.faces, (face + offset)[None]))
        return Composition(below.pixels, faces, np.concatenate((below.tags, source.tags[:1])), below.ignored)


def _cuts(generator: np.random.Generator, size_px: int, grid: int) -> list[int]:
    """Cell borders from 0 to ``size_px``, each moved by up to a fifth of a cell."""
    step = size_px / grid
    inner = [round(step * (i + float(generator.uniform(-0.2, 0.2)))) for i in range(1, grid)]
    return [0, *inner, size_px]


def _heights(boxes: Boxes) -> np.ndarray:
    return np.asarray(boxes[:, 3] - boxes[:, 1])


def _aim(generator: np.random.Generator, cell_height_px: int, style: MosaicStyle) -> float:
    """The height that a face of a cell shall get."""
    low, high = style.face_range_px
    high = max(low + 1, min(high, 0.9 * cell_height_px))
    return float(np.exp(generator.uniform(np.log(low), np.log(high))))


def _crop_transform(
    generator: np.random.Generator, source: Source, aim_px: float, size: tuple[int, int], style: MosaicStyle
) -> np.ndarray:
    """2 x 3 matrix from the photo's pixels to the cell's: scale, stretch, mirror, tilt, shift."""
    photo_height, photo_width = source.levels[0].shape[:2]
    width, height = size
    stretch = np.exp(np.clip(generator.normal(-0.2, 0.25), -0.8, 0.4))
    if len(source.faces):
        heights = _heights(source.faces)
        sharp = np.flatnonzero(heights >= min(aim_px / style.max_enlargement, float(heights.max())))
        left, top, right, bottom = source.faces[sharp[int(generator.integers(len(sharp)))]]
        scale = aim_px / max(1.0, bottom - top)
        anchor = np.array([(left + right) / 2, (top + bottom) / 2])
    else:
        scale = np.exp(generator.uniform(np.log(0.3), np.log(1.5)))
        anchor = generator.random(2) * (photo_width, photo_height)
    # A cell is covered almost whole, and nothing is blown up until it is mere blur.
    scale_y = float(
        np.clip(scale, 0.85 * height / photo_height, max(style.max_enlargement, height / photo_height))
    )
    scale_x = float(max(scale_y * stretch, 0.85 * width / photo_width))
    mirror = -1.0 if generator.random() < 0.5 else 1.0  # noqa: PLR2004 - half of the time
    tilted = generator.random() < style.rotated_share
    angle = float(generator.normal(0, 0.17)) if tilted else 0.0
    cosine, sine = np.cos(angle), np.sin(angle)
    linear = np.array([[cosine, -sine], [sine, cosine]]) @ np.diag([scale_x * mirror, scale_y])
    target = np.array([width, height]) * generator.uniform(0.15, 0.85, 2)
    shift = target - linear @ anchor
    shift = _kept_inside(shift, (scale_x * photo_width, scale_y * photo_height), size, mirror)
    return np.column_stack((linear, shift))


def _kept_inside(
    shift: np.ndarray, scaled: tuple[float, float], size: tuple[int, int], mirror: float
) -> np.ndarray:
    """Move a shifted photo so that it leaves no avoidable gap in its cell."""
    start = shift - np.array([scaled[0] if mirror < 0 else 0.0, 0.0])
    slack = np.array(size) - np.array(scaled)
    inside = np.clip(start, np.minimum(slack, 0), np.maximum(slack, 0))
    moved: np.ndarray = shift + (inside - start)
    return moved


def _ellipse(face: Boxes, width: int, height: int) -> np.ndarray:
    """1 inside the face and a margin of hair around it, falling softly to 0."""
    centre = (face[:2] + face[2:]) / 2
    halves = np.maximum((face[2:] - face[:2]) / 2 * 1.2, 1.0)
    rows = ((np.arange(height) + 0.5 - centre[1]) / halves[1]) ** 2
    columns = ((np.arange(width) + 0.5 - centre[0]) / halves[0]) ** 2
    radius = np.sqrt(rows[:, None] + columns[None, :])
    alpha: np.ndarray = np.clip((1.15 - radius) / 0.2, 0, 1)
    return alpha
