"""One training loop for every network: seeded, resumable, averaged, logged to CSV."""

from __future__ import annotations

import copy
import csv
import math
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypedDict

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from agent.host import replace_whole
from models.training.log import LOG, TensorBoard
from models.whole import written_whole

CHECKPOINT = "checkpoint.pt"
BEST = "best.pt"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a run is, apart from its data; stored in the checkpoint and compared on resume."""

    epochs: int
    batch_size: int
    peak_learning_rate: float
    weight_decay: float = 0.02
    warmup_share: float = 0.05
    """Share of all steps over which the rate rises linearly; a cosine brings it down after."""
    ema_decay: float = 0.999
    gradient_norm: float = 10.0
    """Gradients are clipped to this norm."""
    bfloat16: bool = False
    """Autocast on the CPU; pays where the processor has AVX512-BF16 or AMX."""
    seed: int = 0


class Checkpoint(TypedDict):
    """Where a run stands after an epoch, as plain data that ``torch.load`` trusts."""

    recipe: Mapping[str, float]
    epoch: int
    best_score: float
    updates: int
    network: Mapping[str, Tensor]
    average: Mapping[str, Tensor]
    optimizer: dict[str, object]
    """As PyTorch's own optimiser tells it."""
    torch_rng: Tensor


class Task(Protocol):
    """What the loop needs to know of a problem."""

    network: nn.Module
    steps_per_epoch: int

    def batches(self, epoch: int, generator: np.random.Generator) -> Iterator[Any]:
        """The epoch's training batches; all randomness comes from ``generator``."""

    def loss(self, network: nn.Module, batch: Any, progress: float) -> tuple[Tensor, Mapping[str, float]]:
        """Scalar to minimise and the parts to log; ``progress`` in [0, 1] is the share of the run done."""

    def evaluate(self, network: nn.Module) -> Mapping[str, float]:
        """Scores of the averaged network on the valid split; ``score`` is the one to maximise."""


class AveragedWeights:
    """Exponential moving average of parameters and buffers, warmed up as 1/(1+t) at the start."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        self._decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move a step towards ``network``."""
        self.updates += 1
        decay = min(self._decay, (1 + self.updates) / (10 + self.updates))
        own = self.network.state_dict()
        for name, value in network.state_dict().items():
            if value.dtype.is_floating_point:
                own[name].lerp_(value, 1.0 - decay)
            else:
                own[name].copy_(value)


def learning_rate(recipe: Recipe, step: int, total_steps: int) -> float:
    """Linear warm-up, then half a cosine to 1 % of the peak (Loshchilov & Hutter 2017)."""
    warmup = max(1, int(recipe.warmup_share * total_steps))
    if step < warmup:
        return recipe.peak_learning_rate * (step + 1) / warmup
    phase = (step - warmup) / max(1, total_steps - warmup)
    return recipe.peak_learning_rate * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * phase)))


def make_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW that decays matrices and kernels only, never biases or normalisation."""
    decayed = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
    plain = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.peak_learning_rate)


class Trainer:
    """Runs a task epoch by epoch; killed at any moment, it goes on from the last whole epoch."""

    def __init__(self, task: Task, recipe: Recipe, run_dir: Path) -> None:
        self.task = task
        self.recipe = recipe
        self.run_dir = run_dir
        self.epoch = 0
        self.best_score = -math.inf
        torch.manual_seed(recipe.seed)
        random.seed(recipe.seed)
        self.average = AveragedWeights(task.network, recipe.ema_decay)
        self.optimizer = make_optimizer(task.network, recipe)

    def run(self, *, resume: bool = True) -> Path:
        """Train to the end and return the path of the best averaged weights.

        Raises:
            ValueError: The checkpoint in ``run_dir`` belongs to another recipe.
        """
        self.run_dir.mkdir(parents=True, exist_ok=True)
        if resume and (self.run_dir / CHECKPOINT).exists():
            self._restore()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with closing(TensorBoard(self.run_dir, self.epoch)) as board, Progress(*columns) as progress:
            bar = progress.add_task("training", total=self.recipe.epochs * self.task.steps_per_epoch)
            progress.advance(bar, self.epoch * self.task.steps_per_epoch)
            while self.epoch < self.recipe.epochs:
                row = self._run_epoch(progress, bar)
                board.add(row)
                line = " ".join(f"{key}={value:.4g}" for key, value in row.items())
                progress.console.print(line, soft_wrap=True, highlight=False)
        return self.run_dir / BEST

    def _run_epoch(self, progress: Progress, bar: TaskID) -> dict[str, float]:
        started = time.perf_counter()
        network = self.task.network.train()
        total_steps = self.recipe.epochs * self.task.steps_per_epoch
        generator = np.random.default_rng((self.recipe.seed, self.epoch))
        sums: dict[str, float] = {}
        steps = 0
        for steps, batch in enumerate(self.task.batches(self.epoch, generator), start=1):
            step = self.epoch * self.task.steps_per_epoch + steps - 1
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate(self.recipe, step, total_steps)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.recipe.bfloat16):
                loss, parts = self.task.loss(network, batch, step / total_steps)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), self.recipe.gradient_norm)
            self.optimizer.step()
            self.average.update(network)
            for key, value in parts.items():
                sums[key] = sums.get(key, 0.0) + value
            progress.advance(bar)
        self.epoch += 1
        row: dict[str, float] = {"epoch": self.epoch, **{key: value / steps for key, value in sums.items()}}
        row.update(self.task.evaluate(self.average.network))
        row["seconds"] = time.perf_counter() - started
        self._append(row)
        if row["score"] > self.best_score:
            self.best_score = row["score"]
            self._save(BEST, self.average.network.state_dict())
        self._save(CHECKPOINT, self._state())
        return row

    def _state(self) -> Checkpoint:
        return {
            "recipe": asdict(self.recipe),
            "epoch": self.epoch,
            "best_score": self.best_score,
            "updates": self.average.updates,
            "network": self.task.network.state_dict(),
            "average": self.average.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "torch_rng": torch.get_rng_state(),
        }

    def _restore(self) -> None:
        path = self.run_dir / CHECKPOINT
        state: Checkpoint = torch.load(path, weights_only=True)
        if state["recipe"] != asdict(self.recipe):
            msg = f"{path} was trained with another recipe: choose another --run or remove the folder"
            raise ValueError(msg)
        self.epoch = state["epoch"]
        self.best_score = state["best_score"]
        self.average.updates = state["updates"]
        self.task.network.load_state_dict(state["network"])
        self.average.network.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["torch_rng"])
        self._forget_rows_after(self.epoch)

    def _save(self, name: str, content: Mapping[str, object]) -> None:
        with written_whole(self.run_dir / name) as partial:
            torch.save(content, partial)

    def _append(self, row: Mapping[str, float]) -> None:
        """Append a row; the log runs ahead of the checkpoint, never behind it."""
        path = self.run_dir / LOG
        fresh = not path.exists() or self.epoch == 1
        with path.open("w" if fresh else "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if fresh:
                writer.writeheader()
            writer.writerow(row)

    def _forget_rows_after(self, epoch: int) -> None:
        """Drop the row of an epoch that was logged just before a kill and will run again."""
        path = self.run_dir / LOG
        if not path.exists():
            return
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        replace_whole(path, "".join(lines[: 1 + epoch]).encode())
