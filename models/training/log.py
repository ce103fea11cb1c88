"""Where a training run writes how it goes: a CSV file, and TensorBoard where that is installed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

LOG: Final = "log.csv"
"""In the run's folder; one row per epoch."""


class TensorBoard:
    """Hands each epoch's figures to TensorBoard, in the run's folder; does nothing where it is absent."""

    def __init__(self, run_dir: Path, epochs_done: int) -> None:
        """Begin or go on; what an earlier process wrote of epochs after ``epochs_done`` is hidden."""
        self._writer: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - optional, and slow to load
        except ImportError:
            return
        self._writer = SummaryWriter(str(run_dir), purge_step=epochs_done + 1)

    def add(self, row: Mapping[str, float]) -> None:
        """Take in one row of the log; ``epoch`` is the step."""
        if self._writer is None:
            return
        for name, value in row.items():
            if name != "epoch":
                self._writer.add_scalar(name, value, int(row["epoch"]))
        self._writer.flush()

    def close(self) -> None:
        """Write out what is left."""
        if self._writer is not None:
            self._writer.close()
