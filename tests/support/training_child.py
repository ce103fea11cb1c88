"""A tiny training run in a process of its own, for the test that kills it."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from models.training.trainer import Recipe, Trainer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RECIPE = Recipe(epochs=4, batch_size=8, peak_learning_rate=0.01, ema_decay=0.9, seed=3)


class TinyTask:
    """Least squares on random numbers, with dropout so that torch's own randomness matters too."""

    steps_per_epoch = 5

    def __init__(self, *, stop_in_epoch: int | None = None) -> None:
        torch.manual_seed(RECIPE.seed)
        self.network: nn.Module = nn.Sequential(
            nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1)
        )
        self._stop_in_epoch = stop_in_epoch

    def batches(self, epoch: int, generator: np.random.Generator) -> Iterator[Tensor]:
        """Five batches; hangs in the middle of the chosen epoch after saying so."""
        for step in range(self.steps_per_epoch):
            if epoch == self._stop_in_epoch and step == 2:
                print("waiting", flush=True)  # noqa: T201 - the parent reads it
                threading.Event().wait()
            yield torch.from_numpy(generator.normal(size=(RECIPE.batch_size, 4)).astype(np.float32))

    def loss(self, network: nn.Module, batch: Tensor, progress: float) -> tuple[Tensor, Mapping[str, float]]:
        """Squared distance to the sum of the inputs."""
        loss = (network(batch)[:, 0] - batch.sum(1)).square().mean()
        return loss, {"loss": loss.item(), "progress": progress}

    def evaluate(self, network: nn.Module) -> Mapping[str, float]:
        """Minus the loss on fixed inputs."""
        inputs = torch.linspace(-1.0, 1.0, 32).view(8, 4)
        with torch.no_grad():
            return {"score": -float((network(inputs)[:, 0] - inputs.sum(1)).square().mean())}


if __name__ == "__main__":
    torch.set_num_threads(1)
    Trainer(TinyTask(stop_in_epoch=int(sys.argv[2])), RECIPE, Path(sys.argv[1])).run()
