"""Heads of people no network was taught, for ``emotion-agent bench --peers --heads``."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import cv2
import numpy as np

from agent.domain import EMOTIONS
from models.data import read_portraits

if TYPE_CHECKING:
    from pathlib import Path

SEED = 11


def write_heads(data_dir: Path, folder: Path, per_label: int) -> dict[str, int]:
    """Write up to ``per_label`` portraits of each expression and ``heads.csv``; shuffled, the same each time.

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
    with (folder / "heads.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "label", "left", "top", "right", "bottom"))
        for index in generator.permutation(len(chosen)):
            portrait = chosen[index]
            name = f"head-{index:03d}.png"
            cv2.imwrite(str(folder / name), portrait.grey)
            left, top, width, height = portrait.box
            expression = EMOTIONS[portrait.label]
            writer.writerow((name, expression, left, top, left + width, top + height))
            counts[expression] += 1
    return counts
