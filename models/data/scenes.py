"""Readers of labelled photos: everyday scenes, close-up portraits, and the crowds kept for evaluation."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.domain import Box
from agent.errors import ModelError
from models.data.ferplus import in_protocol, read_ferplus
from models.data.portraits import read_portraits

FERPLUS_BOX = (4.0, 3.0, 44.0, 47.5)
"""Left, top, right, bottom of the face in most 48 x 48 pictures of FER+."""

LIKELY_ALONE = 0.7
LIKELY_BOTH = (0.5, 0.2)
"""Scores from which a doubtful box of the train split is taught as a face: the first detector's alone, or
both detectors' together. Nearly all of these are faces in profile, in the dark or half hidden, which crowds
are full of."""

Pixels = NDArray[np.uint8]
Boxes = NDArray[np.float32]
Tags = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPhoto:
    """One decoded photo with its boxes."""

    name: str
    pixels: Pixels
    """H x W x 3 uint8 BGR."""
    faces: Boxes
    """N x 4 float32 left, top, right, bottom in pixels."""
    ignored: Boxes
    """M x 4 float32, same layout: regions that are neither face nor background."""
    tags: Tags | None = None
    """N int32, what the reader knows each face by (a row of the single stage's shares); None: all 0."""


def read_scenes(data_dir: Path, split: str) -> list[LabelledPhoto]:
    """Everyday photos of one split, 224 x 224; photos without a face have empty ``faces``.

    A box on which the two labelling detectors don't agree (``unsure``) becomes an ignored region, unless it
    is a likely face (``LIKELY_ALONE``, ``LIKELY_BOTH``) of the train split: what is judged by stays sure.

    Raises:
        ModelError: ``scenes.zip`` or one of its two CSV files in ``data_dir`` is missing or broken, or no
            photo belongs to ``split``, which is ``train`` or ``valid``.
    """
    names = [row["image"] for row in _rows(data_dir / "scenes_images.csv") if row["split"] == split]
    if not names:
        raise ModelError(
            f"scenes_images.csv in {data_dir} lists no photo of split {split!r}: use train or valid"
        )
    boxes = _rows(data_dir / "scenes_boxes.csv")
    taught = [row["kind"] == "face" or (split == "train" and _is_likely(row)) for row in boxes]
    faces = _boxes_by_image(row for row, yes in zip(boxes, taught, strict=True) if yes)
    ignored = _boxes_by_image(row for row, yes in zip(boxes, taught, strict=True) if not yes)
    return _read_photos(data_dir / "scenes.zip", names, faces, ignored)


def _is_likely(row: dict[str, str]) -> bool:
    """Whether a doubtful box is a face after all."""
    first, second = float(row["score_a"] or 0.0), float(row["score_b"] or 0.0)
    return first >= LIKELY_ALONE or (first >= LIKELY_BOTH[0] and second >= LIKELY_BOTH[1])


def read_close_ups(data_dir: Path) -> list[LabelledPhoto]:
    """Grey portraits of the train identities as BGR pictures, each with its one face box.

    The other identities stay unseen, so that the whole agent can be judged on them.

    Raises:
        ModelError: ``portraits.zip`` or ``portraits.csv`` in ``data_dir`` is missing or broken.
    """
    portraits = read_portraits(data_dir, "train")
    return [_of_one_face(portrait.name, portrait.grey, portrait.face) for portrait in portraits]


def read_tight_faces(data_dir: Path) -> list[LabelledPhoto]:
    """FER+ training faces as 48 x 48 BGR pictures; they are cut so alike that one box fits all well enough.

    Raises:
        ModelError: ``ferplus_train.npz`` in ``data_dir`` is missing or broken.
    """
    split = read_ferplus(data_dir, "train")
    images = split.images[in_protocol(split.votes, "classes9")]
    return [_of_one_face(f"ferplus-{index}", grey, Box(*FERPLUS_BOX)) for index, grey in enumerate(images)]


def _of_one_face(name: str, grey: Pixels, face: Box) -> LabelledPhoto:
    pixels = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
    corners = (face.left, face.top, face.right, face.bottom)
    return LabelledPhoto(name, pixels, _clipped([corners], pixels), _clipped([], pixels))


def read_crowds(data_dir: Path) -> list[LabelledPhoto]:
    """Photos of crowds, 416 x 416, with human-drawn boxes: for evaluation only, never for training.

    Raises:
        ModelError: ``crowds.zip`` or ``crowds_boxes.csv`` in ``data_dir`` is missing or broken.
    """
    faces = _boxes_by_image(_rows(data_dir / "crowds_boxes.csv"))
    return _read_photos(data_dir / "crowds.zip", list(faces), faces, {})


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise ModelError(f"cannot read {path}: point --data at the data folder") from error


def _boxes_by_image(rows: Iterable[dict[str, str]]) -> dict[str, list[tuple[float, ...]]]:
    boxes: dict[str, list[tuple[float, ...]]] = {}
    for row in rows:
        left, top, width, height = (float(row[key]) for key in "xywh")
        boxes.setdefault(row["image"], []).append((left, top, left + width, top + height))
    return boxes


def _read_photos(
    archive: Path,
    names: list[str],
    faces: dict[str, list[tuple[float, ...]]],
    ignored: dict[str, list[tuple[float, ...]]],
) -> list[LabelledPhoto]:
    try:
        with zipfile.ZipFile(archive) as file:
            photos = [(name, _decode(file.read(name), name)) for name in names]
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"cannot read the photos in {archive}: fetch the data folder again ({error})"
        ) from error
    return [
        LabelledPhoto(
            name, pixels, _clipped(faces.get(name, []), pixels), _clipped(ignored.get(name, []), pixels)
        )
        for name, pixels in photos
    ]


def _decode(encoded: bytes, name: str) -> Pixels:
    pixels: Any = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise ModelError(f"{name} is not a readable picture: fetch the data folder again")
    return np.asarray(pixels, dtype=np.uint8)


def _clipped(boxes: list[tuple[float, ...]], pixels: Pixels) -> Boxes:
    height, width = pixels.shape[:2]
    array = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
    return np.clip(array, 0, np.array([width, height, width, height], np.float32))
