"""A day's true total, one source's, in memory only, until the policy has put noise on it.

A day is a run of whole windows: it ends at the edge of a window nearest to midnight UTC, or to 24 hours after
its beginning for as long as the clock isn't synchronised. So it is the sum of windows that a reader can name,
and every window belongs to exactly one total.

Where the agent stops, the day's part up to there is a total of its own, told like any other: it costs no
track more, since no window is in two totals, and its times tell how much of the day it is. What was counted
before a crash or a power cut is told by its windows only: the true total is never written down, so nothing of
it is there to be read, or to be told twice, after a restart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import floor
from typing import TYPE_CHECKING, Final

from agent.domain import DayTotal

if TYPE_CHECKING:
    from agent.domain import EmotionWindow

DAY_S: Final = 86_400.0


class DayKeeper:
    """Adds up the windows of one source. Not thread-safe.

    Args:
        window_s: Usual length of a window in seconds.
        utc_offset_s: UTC minus monotonic seconds as known now; None until the clock is synchronised.
    """

    def __init__(self, window_s: float, utc_offset_s: Callable[[], float | None]) -> None:
        self._half_window_s = window_s / 2.0
        self._utc_offset_s = utc_offset_s
        self._sequence = 0
        self._running: DayTotal | None = None

    def add(self, window: EmotionWindow) -> DayTotal | None:
        """Take in the next window, whatever of it is published.

        Returns:
            The day's total, if the day ends with this window.
        """
        self._running = _with(window, self._running, self._sequence)
        if window.closed_at_s < self._ends_at_s(self._running.opened_at_s) - self._half_window_s:
            return None
        return self.close()

    def close(self) -> DayTotal | None:
        """End the day where it stands.

        Returns:
            The total of its windows so far; None if there are none.
        """
        total, self._running = self._running, None
        self._sequence += total is not None
        return total

    def _ends_at_s(self, opened_at_s: float) -> float:
        """Monotonic seconds that the day's last edge should be nearest to."""
        offset_s = self._utc_offset_s()
        if offset_s is None:
            return opened_at_s + DAY_S
        # A day whose first edge lies just before a midnight begins with it.
        begun_s = opened_at_s + self._half_window_s + offset_s
        return (floor(begun_s / DAY_S) + 1) * DAY_S - offset_s


def _with(window: EmotionWindow, before: DayTotal | None, sequence: int) -> DayTotal:
    """The total of ``before`` and the window that follows it."""
    opened_at_s = before.opened_at_s if before else window.opened_at_s
    covered_s = window.coverage * (window.closed_at_s - window.opened_at_s)
    covered_s += before.coverage * (before.closed_at_s - before.opened_at_s) if before else 0.0
    length_s = window.closed_at_s - opened_at_s
    return DayTotal(
        source=window.source,
        sequence=sequence,
        first_window=before.first_window if before else window.sequence,
        windows=before.windows + 1 if before else 1,
        opened_at_s=opened_at_s,
        closed_at_s=window.closed_at_s,
        coverage=min(1.0, covered_s / length_s) if length_s > 0.0 else 0.0,
        counts=Counter(before.counts if before else {}) + Counter(window.counts),
    )
