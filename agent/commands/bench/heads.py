"""Heads with known expressions for the comparison with peers, from a folder of the user's.

The folder holds pictures of one head each and ``heads.csv`` with the columns file, label, left, top, right,
bottom: the face's box in pixels. ``python -m models heads DIR`` writes one of people no network was taught.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from agent.domain import EMOTIONS, Box
from agent.errors import ConfigError
from agent.synthetic import Head

if TYPE_CHECKING:
    from pathlib import Path

INDEX: Final = "heads.csv"


def read_heads(folder: Path) -> list[Head]:
    """Every head of ``heads.csv``, in its order.

    Raises:
        ConfigError: The index or a picture is missing or unreadable, or a label is none of the expressions.
    """
    index = folder / INDEX
    try:
        with index.open(newline="", encoding="utf-8") as file:
            heads = [_head(folder, row) for row in csv.DictReader(file)]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{index} can't be used: {error}; columns are file, label, left, top, right, bottom"
        ) from error
    if not heads:
        raise ConfigError(f"{index} lists no head: add a line per picture, or leave out --heads")
    return heads


def _head(folder: Path, row: dict[str, str]) -> Head:
    if row["label"] not in EMOTIONS:
        raise ValueError(f"label {row['label']!r} of {row['file']} is none of {', '.join(EMOTIONS)}")
    pixels = cv2.imread(str(folder / row["file"]), cv2.IMREAD_COLOR)
    if pixels is None:
        raise ValueError(f"{row['file']} is no readable picture")
    box = Box(*(float(row[side]) for side in ("left", "top", "right", "bottom")))
    return Head(np.asarray(pixels, np.uint8), box, row["label"])
