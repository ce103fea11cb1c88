"""How many tracks of one person a window can count: a chosen number, whatever the person does.

Somebody who comes and goes, or jumps about, makes a new track each time. But a face is in at most one track
per picture, and a window has so many seconds. So each second is credited to the tracks that are in view at
its end, and a track counts in a window only once it has been credited with
``window_s / max_tracks_per_person`` seconds there: the tracks of one person share the seconds of the window,
and at most ``max_tracks_per_person`` of them get enough. What a track gets depends on no other track, so
adding or removing one still changes one count by 1.

A cap on all tracks of a window was worked out and dropped: whoever is beyond it is displaced by whoever came
before, so one track would change two counts and cost 2 epsilon, and the first comers would speak for all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from agent.settings import PrivacySettings

_MOST_TRACKS: Final = 1_024
"""Of which the time is remembered; more than a tracker follows at once, so only ended ones lose theirs."""


class InView:
    """Tells which tracks of one source have been in view for long enough to count.

    Not thread-safe; the caller brings the time.
    """

    def __init__(self, privacy: PrivacySettings) -> None:
        self._window_s = privacy.window_s
        self._needed_s = privacy.counts_after_s
        self._window_opened_s = self._window_ends_s = float("-inf")
        self._credited_until_s: float | None = None
        self._in_view_s: dict[int, float] = {}
        """By track, in the open window; ordered by the latest frame it was in."""

    def admitted(
        self, track_ids: Iterable[int], captured_at_s: float, window_ends_s: float
    ) -> frozenset[int]:
        """Those that may count; call it for every frame that was looked at, also if it showed nobody.

        Args:
            track_ids: Observed in this frame, each once.
            captured_at_s: Monotonic seconds.
            window_ends_s: Monotonic seconds at which the window that is open now will close.
        """
        if self._window_ends_s != window_ends_s:
            self._window_opened_s = max(self._window_ends_s, window_ends_s - self._window_s)
            self._window_ends_s = window_ends_s
            self._in_view_s.clear()
        passed_s = self._time_passed_s(captured_at_s)
        admitted = set()
        for track_id in track_ids:
            in_view_s = self._in_view_s.pop(track_id, 0.0) + passed_s
            if len(self._in_view_s) >= _MOST_TRACKS:
                del self._in_view_s[next(iter(self._in_view_s))]
            self._in_view_s[track_id] = in_view_s
            if in_view_s >= self._needed_s:
                admitted.add(track_id)
        return frozenset(admitted)

    def _time_passed_s(self, captured_at_s: float) -> float:
        """Seconds of this window since the frame before; none of it is credited twice."""
        before_s = captured_at_s if self._credited_until_s is None else self._credited_until_s
        self._credited_until_s = max(before_s, captured_at_s)
        return max(0.0, self._credited_until_s - max(before_s, self._window_opened_s))
