"""``python -m tests.fuzz``: all targets in turns for ten minutes; exit code 1 if any trial failed."""

from __future__ import annotations

import argparse
import itertools
import sys
import time

from tests.fuzz.run import keep, kept_seeds, try_seeds
from tests.fuzz.targets import TARGETS


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600.0, help="for all targets together")
    parser.add_argument("--seed", type=int, default=time.time_ns() // 1_000_000_000, help="first seed")
    parser.add_argument(
        "targets", nargs="*", default=list(TARGETS), metavar="TARGET", help=", ".join(TARGETS)
    )
    arguments = parser.parse_args()
    failed = 0
    for name in arguments.targets:
        until_s = time.monotonic() + arguments.seconds / len(arguments.targets)
        seeds = itertools.chain(kept_seeds(name), itertools.count(arguments.seed))
        tally = try_seeds(TARGETS[name], seeds, until_s)
        print(f"{name:16} {tally.trials:7} trials, {len(tally.failures)} failed", flush=True)  # noqa: T201
        for seed, text in tally.failures.items():
            keep(name, seed)
            print(f"seed {seed}: {text}", flush=True)  # noqa: T201
        failed += len(tally.failures)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
