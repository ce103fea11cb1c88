"""The aggregator stage: how many tracks showed which expression in each fixed stretch of time.

Windows are laid end to end on the monotonic clock, never overlap and close on time even when the camera is
silent. A track votes once in every window in which it was read, for the label it was read with most often
there; of two labels read equally often, the one whose latest confidence was higher wins.

After this stage no single person exists any more, which is why this module may import nothing that holds
pixels.

Two bounds keep a device that runs for years within its memory:

* At most ``_MOST_OPEN_VOTES`` tracks can still change their vote. When another one is read, the vote of the
  track that was read longest ago is settled and its history forgotten. The tracker follows fewer faces than
  that at a time, so only tracks that ended are settled and no count changes by it.
* When more than ``_MOST_EMPTY_WINDOWS`` windows have passed unattended (the process was stopped for hours),
  one long empty window replaces all but the last. It ends on the edge of a window, so the windows still tile
  the time axis, and ``sequence`` still has no gaps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import floor
from typing import Final

from agent.domain import LABELS, EmotionWindow, Reading

MAX_GAP_S: Final = 2.0
"""A frame this much later than due is missing."""
_MOST_OPEN_VOTES: Final = 1_024
_MOST_EMPTY_WINDOWS: Final = 12
_LABEL_INDEX: Final = {label: index for index, label in enumerate(LABELS)}


@dataclass(slots=True)
class _Vote:
    """How often one track was read with each label in the open window, in ``LABELS`` order."""

    readings: list[int] = field(default_factory=lambda: [0] * len(LABELS))
    latest_confidence: list[float] = field(default_factory=lambda: [0.0] * len(LABELS))

    def winner(self) -> int:
        """Index of the dominant label; the earlier label where everything is equal."""
        return max(
            range(len(LABELS)),
            key=lambda index: (self.readings[index], self.latest_confidence[index], -index),
        )


class Aggregator:
    """Counts the readings of one source into windows. Not thread-safe; the caller brings the time.

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
        self._votes: dict[int, _Vote] = {}
        self._settled = [0] * len(LABELS)
        self._covered_s = 0.0
        self._accounted_until_s = now_s
        self._alive_until_s = now_s

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

    def add(self, readings: Iterable[Reading]) -> None:
        """Take in readings of this moment; call :meth:`close_due` with the present time first."""
        for reading in readings:
            # Taken out and put back, so that the dict stays ordered by the time of the latest reading.
            vote = self._votes.pop(reading.track_id, None)
            if vote is None:
                vote = _Vote()
                if len(self._votes) >= _MOST_OPEN_VOTES:
                    oldest = self._votes.pop(next(iter(self._votes)))
                    self._settled[oldest.winner()] += 1
            label_index = _LABEL_INDEX[reading.label]
            vote.readings[label_index] += 1
            vote.latest_confidence[label_index] = reading.confidence
            self._votes[reading.track_id] = vote

    def close_due(self, now_s: float) -> list[EmotionWindow]:
        """Close every window whose end has come, empty ones too.

        Returns:
            The windows, oldest first. A track still present votes again in the next window.
        """
        closed: list[EmotionWindow] = []
        if now_s >= self.next_close_s:
            closed.append(self._close(self._windows_passed + 1))
        # One less than the quotient, which rounding may have put on the wrong side of a whole number.
        safely_over = floor((now_s - self._origin_s) / self._window_s) - 1
        if safely_over - self._windows_passed >= _MOST_EMPTY_WINDOWS:
            closed.append(self._close(safely_over))
        while now_s >= self.next_close_s:
            closed.append(self._close(self._windows_passed + 1))
        return closed

    def close_now(self, now_s: float) -> EmotionWindow:
        """Close the open window before its time, at shutdown.

        Returns:
            A window that ends at ``now_s``; it is shorter than the others.
        """
        closed_at_s = min(max(now_s, self._opened_at_s), self.next_close_s)
        window = self._window_until(closed_at_s)
        self._origin_s = closed_at_s
        self._windows_passed = 0
        self._open(closed_at_s)
        return window

    def _edge_s(self, number: int) -> float:
        # From the origin every time: adding up would let rounding errors grow over months.
        return self._origin_s + number * self._window_s

    def _close(self, end_number: int) -> EmotionWindow:
        window = self._window_until(self._edge_s(end_number))
        self._windows_passed = end_number
        self._open(window.closed_at_s)
        return window

    def _window_until(self, closed_at_s: float) -> EmotionWindow:
        self._account(closed_at_s)
        totals = list(self._settled)
        for vote in self._votes.values():
            totals[vote.winner()] += 1
        length_s = closed_at_s - self._opened_at_s
        return EmotionWindow(
            source=self._source,
            sequence=self._sequence,
            opened_at_s=self._opened_at_s,
            closed_at_s=closed_at_s,
            coverage=min(1.0, self._covered_s / length_s) if length_s > 0.0 else 0.0,
            counts={label: total for label, total in zip(LABELS, totals, strict=True) if total},
        )

    def _open(self, opened_at_s: float) -> None:
        self._sequence += 1
        self._opened_at_s = opened_at_s
        self._votes.clear()
        self._settled = [0] * len(LABELS)
        self._covered_s = 0.0
        self._accounted_until_s = max(self._accounted_until_s, opened_at_s)

    def _account(self, until_s: float) -> None:
        """Add the time up to ``until_s`` during which the camera is known to have delivered."""
        end_s = min(until_s, self._alive_until_s)
        if end_s > self._accounted_until_s:
            self._covered_s += end_s - self._accounted_until_s
            self._accounted_until_s = end_s
