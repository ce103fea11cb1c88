"""What all counting shares: windows laid end to end on the monotonic clock, and how much of each was seen.

Windows never overlap and close on time even when the camera is silent. When more than ``_MOST_EMPTY_WINDOWS``
have passed unattended (the process was stopped for hours), one long empty window replaces all but the last.
It ends on the edge of a window, so the windows still tile the time axis, and ``sequence`` has no gaps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import floor
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from agent.domain import Window

if TYPE_CHECKING:
    from agent.domain import Reading, Track

MAX_GAP_S: Final = 2.0
"""A frame this much later than due is missing."""
MOST_TRACKS: Final = 1_024
"""So many of those seen latest are remembered one by one. The tracker follows fewer faces than that at a
time, so only tracks that ended are forgotten and no count changes by it."""
_MOST_EMPTY_WINDOWS: Final = 12

Counted = TypeVar("Counted", bound=Window)


class Seen(Protocol):
    """What one frame brought, as far as it is counted."""

    @property
    def readings(self) -> Sequence[Reading]:
        """Of observed tracks; empty where no expression is inferred."""

    @property
    def tracks(self) -> Sequence[Track]:
        """Observed ones."""

    @property
    def detected(self) -> bool:
        """Whether the detector looked at this frame; else the tracks' boxes are predicted."""

    @property
    def picture_px(self) -> tuple[int, int]:
        """Width and height."""


class Windows(ABC, Generic[Counted]):
    """Counts one source into windows. Not thread-safe; the caller brings the time.

    Args:
        source: Name of the source in the configuration.
        window_s: Length of a window in seconds; above 0.
        now_s: Monotonic seconds at which the first window opens.
        max_gap_s: A frame proves the camera alive until the next frame, for this long at most.
    """

    def __init__(self, source: str, window_s: float, now_s: float, max_gap_s: float = MAX_GAP_S) -> None:
        if window_s <= 0.0 or max_gap_s <= 0.0:
            raise ValueError("window_s and max_gap_s must be above 0")
        self._source = source
        self._window_s = window_s
        self._max_gap_s = max_gap_s
        self._origin_s = now_s
        self._windows_passed = 0
        self._sequence = 0
        self._opened_at_s = now_s
        self._covered_s = 0.0
        self._accounted_until_s = now_s
        self._alive_until_s = now_s

    @abstractmethod
    def take(self, seen: Seen) -> None:
        """Take in what the present moment's frame brought; call :meth:`close_due` with its time first."""

    @abstractmethod
    def _counted(self, span: Window) -> Counted:
        """What was counted in the window that ends; the next one begins at once."""

    @property
    def next_close_s(self) -> float:
        """Monotonic seconds at which the open window ends."""
        return self._edge_s(self._windows_passed + 1)

    def frame_seen(self, captured_at_s: float) -> None:
        """Note that the camera delivered. Frames of windows already closed change nothing.

        Args:
            captured_at_s: Monotonic seconds; call :meth:`close_due` first when a window has ended.
        """
        self._account(captured_at_s)
        self._accounted_until_s = max(self._accounted_until_s, captured_at_s)
        self._alive_until_s = max(self._alive_until_s, captured_at_s + self._max_gap_s)

    def close_due(self, now_s: float) -> list[Counted]:
        """Close every window whose end has come, empty ones too.

        Returns:
            The windows, oldest first. A track still present counts again in the next window.
        """
        closed: list[Counted] = []
        if now_s >= self.next_close_s:
            closed.append(self._close(self._windows_passed + 1))
        # One less than the quotient, which rounding may have put on the wrong side of a whole number.
        safely_over = floor((now_s - self._origin_s) / self._window_s) - 1
        if safely_over - self._windows_passed >= _MOST_EMPTY_WINDOWS:
            closed.append(self._close(safely_over))
        while now_s >= self.next_close_s:
            closed.append(self._close(self._windows_passed + 1))
        return closed

    def close_now(self, now_s: float) -> Counted:
        """Close the open window before its time, at shutdown.

        Returns:
            A window that ends at ``now_s``; it is shorter than the others.
        """
        closed_at_s = min(max(now_s, self._opened_at_s), self.next_close_s)
        window = self._until(closed_at_s)
        self._origin_s = closed_at_s
        self._windows_passed = 0
        return window

    def _edge_s(self, number: int) -> float:
        # From the origin every time: adding up would let rounding errors grow over months.
        return self._origin_s + number * self._window_s

    def _close(self, end_number: int) -> Counted:
        window = self._until(self._edge_s(end_number))
        self._windows_passed = end_number
        return window

    def _until(self, closed_at_s: float) -> Counted:
        """The window that ends then; the next one opens."""
        self._account(closed_at_s)
        length_s = closed_at_s - self._opened_at_s
        covered = min(1.0, self._covered_s / length_s) if length_s > 0.0 else 0.0
        span = Window(self._source, self._sequence, self._opened_at_s, closed_at_s, covered)
        self._sequence += 1
        self._opened_at_s = closed_at_s
        self._covered_s = 0.0
        self._accounted_until_s = max(self._accounted_until_s, closed_at_s)
        return self._counted(span)

    def _account(self, until_s: float) -> None:
        """Add the time up to ``until_s`` during which the camera is known to have delivered."""
        end_s = min(until_s, self._alive_until_s)
        if end_s > self._accounted_until_s:
            self._covered_s += end_s - self._accounted_until_s
            self._accounted_until_s = end_s
