"""About a minute of ``make fuzz``, the same every time, and every seed that ever failed."""

from __future__ import annotations

import pytest

from tests.fuzz.run import kept_seeds, try_seeds
from tests.fuzz.targets import TARGETS

TRIALS = {
    "configuration": 400, "command_line": 6, "queue_file": 40, "camera_process": 500, "broker": 25,
    "watch": 150, "manifest": 60, "network": 8, "boot_file": 100,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_hostile_input_is_refused_or_harmless(name: str) -> None:
    tally = try_seeds(TARGETS[name], [*kept_seeds(name), *range(TRIALS[name])])
    assert not tally.failures, "\n".join(f"seed {seed}: {text}" for seed, text in tally.failures.items())
    assert tally.trials >= TRIALS[name]
