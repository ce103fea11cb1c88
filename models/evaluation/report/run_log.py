"""The log that a training run leaves, read back."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from models.training import LOG

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PLAIN: Final = ("epoch", "seconds")
"""Columns that are no curve."""


@dataclass(frozen=True, slots=True)
class RunLog:
    """One run, one value per epoch."""

    name: str
    epochs: tuple[float, ...]
    losses: Mapping[str, tuple[float, ...]]
    """To be small; by column."""
    scores: Mapping[str, tuple[float, ...]]
    """To be large."""


def read_run(run_dir: Path) -> RunLog:
    """Read the log in a run's folder.

    Raises:
        ValueError: There is none, it is empty, or a cell is no number.
    """
    path = run_dir / LOG
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise ValueError(f"can't read {path}: name the folder of a training run with --run") from error
    if not rows:
        raise ValueError(f"{path} has no epoch yet: wait for the first or leave --run out")
    try:
        columns = {name: tuple(float(row[name]) for row in rows) for name in rows[0]}
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} holds what is no number ({error}): name another run with --run") from error
    curves = {name: values for name, values in columns.items() if name not in PLAIN}
    return RunLog(
        run_dir.name,
        columns.get("epoch", tuple(float(index + 1) for index in range(len(rows)))),
        {name: values for name, values in curves.items() if "loss" in name},
        {name: values for name, values in curves.items() if "loss" not in name},
    )
