"""``heads.csv``: heads with known expressions, to show the peers instead of the astronaut.

A folder holds pictures of one head each and the index with the columns file, label, left, top, right,
bottom: the face's box in pixels. ``python -m models heads DIR`` writes one of people no network was taught.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from agent.domain import EMOTIONS, Box
from agent.errors import ConfigError
from agent.synthetic import Head
from models.data import read_portraits

INDEX: Final = "heads.csv"
COLUMNS: Final = ("file", "label", "left", "top", "right", "bottom")
SEED: Final = 11


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
        raise ConfigError(f"{index} can't be used: {error}; columns are {', '.join(COLUMNS)}") from error
    if not heads:
        raise ConfigError(f"{index} lists no head: add a line per picture, or leave out --heads")
    return heads


def _head(folder: Path, row: dict[str, str]) -> Head:
    name, label, *sides = (row[column] for column in COLUMNS)
    if label not in EMOTIONS:
        raise ValueError(f"label {label!r} of {name} is none of {', '.join(EMOTIONS)}")
    pixels = cv2.imread(str(folder / name), cv2.IMREAD_COLOR)
    if pixels is None:
        raise ValueError(f"{name} is no readable picture")
    return Head(np.asarray(pixels, np.uint8), Box(*map(float, sides)), label)


def write_heads(data_dir: Path, folder: Path, per_label: int) -> dict[str, int]:
    """Write up to ``per_label`` portraits of each expression and their index; shuffled, the same each time.

    Returns:
        How many there are of each expression.

    Raises:
        ModelError: The portraits are missing or damaged.
        OSError: ``folder`` can't be written.
    """
    portraits = read_portraits(data_dir, "valid")
    generator = np.random.default_rng(SEED)
    chosen = []
    for label in range(len(EMOTIONS)):
        alike = [portrait for portrait in portraits if portrait.label == label]
        chosen += [alike[index] for index in generator.permutation(len(alike))[:per_label]]
    folder.mkdir(parents=True, exist_ok=True)
    counts = dict.fromkeys(EMOTIONS, 0)
    with (folder / INDEX).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for index in generator.permutation(len(chosen)):
            portrait = chosen[index]
            name = f"head-{index:03d}.png"
            cv2.imwrite(str(folder / name), portrait.grey)
            left, top, width, height = portrait.box
            expression = EMOTIONS[portrait.label]
            writer.writerow((name, expression, left, top, left + width, top + height))
            counts[expression] += 1
    return counts
