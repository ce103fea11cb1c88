"""Close-up portraits with one noisy expression label each (muxspace/facial_expressions, Apache-2.0)."""

from __future__ import annotations

import csv
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.domain import EMOTIONS, Box
from agent.errors import ModelError
from agent.inference import crop_face

VALID_SHARE: Final = 0.15
"""Of the identities."""

_NUMBERED = re.compile(r"[_-]?\d+$")


@dataclass(frozen=True, slots=True)
class Portrait:
    """One picture with its face box in pixels."""

    name: str
    grey: NDArray[np.uint8]
    """``(H, W)``."""
    label: int
    """Index into ``EMOTIONS``."""
    box: tuple[float, float, float, float]
    """Left, top, width, height."""

    @property
    def face(self) -> Box:
        """The same by its corners."""
        left, top, width, height = self.box
        return Box(left, top, left + width, top + height)


def identity(name: str) -> str:
    """Name stem without its running number: pictures of one person share it."""
    return _NUMBERED.sub("", name.rsplit(".", 1)[0]).lower()


def split_of(name: str) -> Literal["train", "valid"]:
    """Split of a file, by identity, so that nobody is in both; stable over machines and runs."""
    position = zlib.crc32(identity(name).encode()) / 2**32
    return "valid" if position < VALID_SHARE else "train"


def read_portraits(data_dir: Path, split: Literal["train", "valid"]) -> list[Portrait]:
    """Pictures of a split that have a face box.

    Raises:
        ModelError: ``portraits.csv`` or ``portraits.zip`` is missing or damaged.
    """
    try:
        with (data_dir / "portraits.csv").open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["x"] and split_of(row["image"]) == split]
        with zipfile.ZipFile(data_dir / "portraits.zip") as archive:
            return [_decode(archive, row) for row in rows]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"can't read the portraits in {data_dir}: {error}; pass the folder that holds the data files"
        ) from error


def _decode(archive: zipfile.ZipFile, row: dict[str, str]) -> Portrait:
    encoded = np.frombuffer(archive.read(row["image"]), np.uint8)
    grey = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
    if grey is None:
        raise ValueError(f"{row['image']} is no picture")
    box = (float(row["x"]), float(row["y"]), float(row["w"]), float(row["h"]))
    return Portrait(row["image"], grey.astype(np.uint8, copy=False), EMOTIONS.index(row["emotion"]), box)


def square_crop(portrait: Portrait, side_px: int, crop_scale: float) -> NDArray[np.uint8]:
    """Grey ``(side_px, side_px)`` around the face, cut as a device cuts it.

    The cut square's side is ``crop_scale`` times the box's longer side.
    """
    crop = np.empty((side_px, side_px), np.uint8)
    crop_face(portrait.grey, portrait.face, crop_scale, crop)
    return crop
