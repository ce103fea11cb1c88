"""Time as a test wants it: a clock that all but stands still until it is let run, waits that pass at once."""

from __future__ import annotations

import threading


class Patience:
    """Monotonic seconds that pass by looking at the clock, so that a busy machine costs nobody's patience."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self.lasts()

    def __call__(self) -> float:
        self._now_s += self._step_s
        return self._now_s

    def lasts(self) -> None:
        """A wait of a second, with a look every fifth, takes forty: for what will never happen."""
        self._step_s = 0.005

    def ends(self) -> None:
        """A minute without an answer takes little more than a second."""
        self._step_s = 10.0


class PassingTime(threading.Event):
    """A stop event in whose waits the time passes at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1000.0

    def wait(self, timeout: float | None = None) -> bool:
        """Be later."""
        self.now_s += max(0.0, timeout or 0.0)
        return self.is_set()
