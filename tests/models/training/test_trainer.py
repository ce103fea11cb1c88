"""The training loop: seeded, resumable after a kill, averaged, logged."""

from __future__ import annotations

import csv
import dataclasses
import math
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from models.training.log import LOG  # noqa: E402 - same
from models.training.trainer import (  # noqa: E402 - after the check for torch
    BEST,
    CHECKPOINT,
    AveragedWeights,
    Trainer,
    learning_rate,
    make_optimizer,
)
from tests.support.places import ROOT  # noqa: E402 - same
from tests.support.training_child import RECIPE, TinyTask  # noqa: E402 - same

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.train


def _checkpoint(run_dir: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(run_dir / CHECKPOINT, weights_only=True)
    return state


def _log(run_dir: Path) -> list[dict[str, str]]:
    with (run_dir / LOG).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def _kill_in_epoch(run_dir: Path, epoch: int) -> None:
    command = [sys.executable, "-m", "tests.support.training_child", str(run_dir), str(epoch)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        # Ends with the child's output: a child that fails to reach the point can't hang the test.
        assert any(line.strip() == "waiting" for line in child.stdout)
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL


def test_a_killed_run_ends_with_the_very_weights_of_an_undisturbed_one(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    Trainer(TinyTask(), RECIPE, whole).run()
    _kill_in_epoch(killed, epoch=2)
    assert _checkpoint(killed)["epoch"] == 2
    Trainer(TinyTask(), RECIPE, killed).run()
    for part in ("network", "average"):
        expected, got = _checkpoint(whole)[part], _checkpoint(killed)[part]
        assert all(torch.equal(expected[name], got[name]) for name in expected)
    assert _log(killed) == _log(whole)


def test_a_row_logged_just_before_a_kill_is_not_logged_twice(tmp_path: Path) -> None:
    Trainer(TinyTask(), dataclasses.replace(RECIPE), tmp_path).run()
    with (tmp_path / LOG).open("a", encoding="utf-8") as file:
        file.write("5,0,0,0,0\n")
    Trainer(TinyTask(), RECIPE, tmp_path).run()
    assert [row["epoch"] for row in _log(tmp_path)] == ["1", "2", "3", "4"]


def test_half_a_file_left_by_a_kill_does_no_harm(tmp_path: Path) -> None:
    _kill_in_epoch(tmp_path, epoch=1)
    (tmp_path / f"{CHECKPOINT}.partial").write_bytes(b"PK\x03\x04 torn")
    Trainer(TinyTask(), RECIPE, tmp_path).run()
    assert _checkpoint(tmp_path)["epoch"] == RECIPE.epochs


def test_a_run_of_another_recipe_is_refused(tmp_path: Path) -> None:
    Trainer(TinyTask(), RECIPE, tmp_path).run()
    other = dataclasses.replace(RECIPE, peak_learning_rate=0.02)
    with pytest.raises(ValueError, match="another recipe"):
        Trainer(TinyTask(), other, tmp_path).run()


def test_without_resume_a_run_starts_from_scratch(tmp_path: Path) -> None:
    Trainer(TinyTask(), RECIPE, tmp_path).run()
    other = dataclasses.replace(RECIPE, epochs=1)
    Trainer(TinyTask(), other, tmp_path).run(resume=False)
    assert len(_log(tmp_path)) == 1


def test_two_runs_with_one_seed_are_equal_and_with_another_differ(tmp_path: Path) -> None:
    states = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        Trainer(TinyTask(), dataclasses.replace(RECIPE, seed=seed), tmp_path / name).run()
        states.append(
            torch.cat([value.flatten() for value in _checkpoint(tmp_path / name)["network"].values()])
        )
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_the_best_weights_are_those_of_the_best_logged_score(tmp_path: Path) -> None:
    best = Trainer(TinyTask(), RECIPE, tmp_path).run()
    assert best == tmp_path / BEST
    task = TinyTask()
    task.network.load_state_dict(torch.load(best, weights_only=True))
    task.network.eval()
    logged = max(float(row["score"]) for row in _log(tmp_path))
    assert task.evaluate(task.network)["score"] == pytest.approx(logged, abs=1e-6)


def test_the_rate_rises_linearly_then_falls_to_a_hundredth() -> None:
    rates = [learning_rate(RECIPE, step, 1000) for step in range(1000)]
    warmup = int(RECIPE.warmup_share * 1000)
    assert rates[0] == pytest.approx(RECIPE.peak_learning_rate / warmup)
    assert max(rates) == pytest.approx(RECIPE.peak_learning_rate)
    assert rates.index(max(rates)) in (warmup - 1, warmup)
    assert all(later <= earlier for earlier, later in zip(rates[warmup:], rates[warmup + 1 :], strict=False))
    assert rates[-1] == pytest.approx(0.01 * RECIPE.peak_learning_rate, rel=0.01)


def test_biases_and_normalisation_are_not_decayed() -> None:
    decayed, plain = make_optimizer(TinyTask().network, RECIPE).param_groups
    assert decayed["weight_decay"] == RECIPE.weight_decay
    assert plain["weight_decay"] == 0.0
    assert all(parameter.ndim > 1 for parameter in decayed["params"])
    assert len(decayed["params"]) + len(plain["params"]) == len(list(TinyTask().network.parameters()))


def test_the_average_follows_buffers_too_and_forgets_at_its_rate() -> None:
    network = torch.nn.BatchNorm1d(2)
    average = AveragedWeights(network, decay=0.5)
    with torch.no_grad():
        network.running_mean.fill_(1.0)
    for _ in range(60):
        average.update(network)
    moved = average.network.state_dict()["running_mean"]
    assert torch.allclose(moved, torch.ones(2), atol=1e-6)
    assert math.isclose(float(network.running_mean[0]), 1.0)
    assert not any(parameter.requires_grad for parameter in average.network.parameters())


def test_the_rows_of_the_log_go_to_tensorboard_too_where_it_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed: pip install tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import (  # noqa: PLC0415 - optional
        EventAccumulator,
    )

    _kill_in_epoch(tmp_path, epoch=2)
    Trainer(TinyTask(), RECIPE, tmp_path).run()
    events = EventAccumulator(str(tmp_path)).Reload()
    shown = {event.step: event.value for event in events.Scalars("score")}
    assert shown == pytest.approx(
        {int(row["epoch"]): float(row["score"]) for row in _log(tmp_path)}, abs=1e-6
    )
