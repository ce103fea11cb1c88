"""Draws trials of one target until a time or a number is reached; a trial is its seed."""

from __future__ import annotations

import logging
import signal
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

HANG_S: Final = 60
"""A trial that takes so long hangs, on however busy a machine."""
CORPUS: Final = Path(__file__).with_name("corpus")
"""One file per target: seeds that failed once, a line each. They are tried first, for ever."""


@dataclass
class Tally:
    """What became of a target's trials."""

    trials: int = 0
    failures: dict[int, str] = field(default_factory=dict)
    """Traceback by seed."""


def kept_seeds(name: str) -> list[int]:
    """Of a target, oldest first."""
    path = CORPUS / name
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def keep(name: str, seed: int) -> None:
    """Remember a seed that failed."""
    CORPUS.mkdir(exist_ok=True)
    if seed not in kept_seeds(name):
        with (CORPUS / name).open("a") as file:
            file.write(f"{seed}\n")


def try_seeds(
    target: Callable[[Random, Path], None], seeds: Iterable[int], until_s: float = float("inf")
) -> Tally:
    """Try them in order, until the monotonic time ``until_s``."""
    tally = Tally()
    before, alarm = logging.root.manager.disable, signal.signal(signal.SIGALRM, _hangs)
    logging.disable(logging.CRITICAL)
    try:
        for seed in seeds:
            if time.monotonic() > until_s:
                break
            with tempfile.TemporaryDirectory() as folder:
                signal.alarm(HANG_S)
                try:
                    target(Random(seed), Path(folder))  # noqa: S311 - to be repeated
                except Exception:  # noqa: BLE001 - this is what is looked for
                    tally.failures[seed] = traceback.format_exc()
            tally.trials += 1
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, alarm)
        logging.disable(before)
    return tally


def _hangs(*_: object) -> None:
    raise TimeoutError(f"nothing came of it in {HANG_S} s")
