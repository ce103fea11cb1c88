"""How many tracks were seen in each window, where no expression is inferred."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.aggregator.windows import MAX_GAP_S, MOST_TRACKS, Windows
from agent.domain import PeopleWindow

if TYPE_CHECKING:
    from agent.aggregator.windows import Seen
    from agent.domain import Window


class PeopleAggregator(Windows[PeopleWindow]):
    """Counts the tracks of one source into windows; one counts once in each in which it was observed."""

    def __init__(self, source: str, window_s: float, now_s: float, max_gap_s: float = MAX_GAP_S) -> None:
        super().__init__(source, window_s, now_s, max_gap_s)
        self._seen: dict[int, None] = {}
        """Numbers of the tracks counted in this window, the latest observed last."""
        self._people = 0

    def take(self, seen: Seen) -> None:
        """See :meth:`agent.aggregator.windows.Windows.take`."""
        for track in seen.tracks:
            if track.track_id not in self._seen:
                self._people += 1
                if len(self._seen) >= MOST_TRACKS:
                    del self._seen[next(iter(self._seen))]
            self._seen.pop(track.track_id, None)
            self._seen[track.track_id] = None

    def _counted(self, span: Window) -> PeopleWindow:
        window = PeopleWindow(
            span.source, span.sequence, span.opened_at_s, span.closed_at_s, span.coverage, self._people
        )
        self._seen.clear()
        self._people = 0
        return window
