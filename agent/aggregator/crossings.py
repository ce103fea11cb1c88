"""How often a line was crossed in each window, in and out apart, by position and time alone.

Stand on the line's first end and look at its second: who goes over to the right hand comes in, who goes
over to the left goes out. A track is where the centre of its face is. It has changed sides once it is
``HYSTERESIS`` of its face's height beyond the line, so that somebody who stands on the line and sways
crosses it once at most; and it has crossed the line if it passed between the two ends, last of all, on the
way. Positions that were predicted and not seen don't count.

**Each person once.** A track counts in turns: in, out, in; never twice in one direction without the other
in between, whichever way round it came back. And it adds at most one to either direction in a window, which
bounds what one track can do to a number (the policy's noise relies on it). What is beyond is dropped, not
kept for later. So the two numbers of one track differ by one at most, over any time.

Where a track begins says nothing: somebody who is first seen on the far side has not crossed. A line near
the edge of the picture, or one behind which nobody stays in view for half a face, therefore misses people.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot
from typing import TYPE_CHECKING, Final

from agent.aggregator.windows import MAX_GAP_S, MOST_TRACKS, Windows
from agent.domain import CrossingsWindow

if TYPE_CHECKING:
    from agent.aggregator.windows import Seen
    from agent.domain import Line, Track, Window

HYSTERESIS: Final = 0.5
"""Of the face's height. A head sways by less than half of its height while its owner stands."""
_IN, _OUT = 1, -1


@dataclass(slots=True)
class _Walk:
    """What is remembered of one track, across windows."""

    beside_px: float
    """Where it was seen last: distance from the line, positive on the right."""
    along: float
    """The same along the line: 0 at its first end, 1 at its second."""
    side: int = 0
    """The one it is known to be on; 0 until it has been clear of the line."""
    through: bool = False
    """Whether it was between the ends when it last changed from one side's points to the other's."""
    told: int = 0
    """The direction in which it counted last."""
    came_in: bool = False
    """In this window."""
    went_out: bool = False
    """In this window."""

    def goes(self, beside_px: float, along: float, clear_px: float) -> int:
        """Go there; the direction in which the track now counts, mostly none, which is 0."""
        if (self.beside_px < 0.0) != (beside_px < 0.0):
            share = self.beside_px / (self.beside_px - beside_px)
            self.through = 0.0 <= self.along + share * (along - self.along) <= 1.0
        self.beside_px, self.along = beside_px, along
        side = 0 if abs(beside_px) < clear_px else _IN if beside_px > 0.0 else _OUT
        before, self.side = self.side, side or self.side
        changed = before not in {0, self.side}
        if not (changed and self.through) or self.side == self.told:
            return 0
        if self.came_in if side == _IN else self.went_out:
            return 0
        self.told = side
        self.came_in |= side == _IN
        self.went_out |= side == _OUT
        return side


class CrossingsAggregator(Windows[CrossingsWindow]):
    """Counts the crossings of one source's line into windows.

    Args:
        source: Name of the source in the configuration.
        line: Its first and its second end, apart from each other.
        window_s: As for :class:`agent.aggregator.windows.Windows`, as are the others.
        now_s: See there.
        max_gap_s: See there.
    """

    def __init__(
        self, source: str, line: Line, window_s: float, now_s: float, max_gap_s: float = MAX_GAP_S
    ) -> None:
        super().__init__(source, window_s, now_s, max_gap_s)
        self._line = line
        self._walks: dict[int, _Walk] = {}
        """By track, the latest seen last."""
        self._came_in = self._went_out = 0

    def take(self, seen: Seen) -> None:
        """See :meth:`agent.aggregator.windows.Windows.take`."""
        if not seen.detected:
            return
        for track in seen.tracks:
            beside_px, along = self._place(track, seen.picture_px)
            walk = self._walks.pop(track.track_id, None) or _Walk(beside_px, along)
            if len(self._walks) >= MOST_TRACKS:
                del self._walks[next(iter(self._walks))]
            self._walks[track.track_id] = walk
            direction = walk.goes(beside_px, along, HYSTERESIS * track.box.height)
            self._came_in += direction == _IN
            self._went_out += direction == _OUT

    def _place(self, track: Track, picture_px: tuple[int, int]) -> tuple[float, float]:
        """Distance from the line in pixels, and how far along it."""
        width_px, height_px = picture_px
        x1, y1, x2, y2 = self._line
        across_px, down_px = (x2 - x1) * width_px, (y2 - y1) * height_px
        box = track.box
        x_px = (box.left + box.right) / 2.0 - x1 * width_px
        y_px = (box.top + box.bottom) / 2.0 - y1 * height_px
        length_px = hypot(across_px, down_px)
        # The picture's y axis points down, so a positive cross product lies on the right.
        beside_px = (across_px * y_px - down_px * x_px) / length_px
        return beside_px, (across_px * x_px + down_px * y_px) / length_px**2

    def _counted(self, span: Window) -> CrossingsWindow:
        window = CrossingsWindow(
            span.source,
            span.sequence,
            span.opened_at_s,
            span.closed_at_s,
            span.coverage,
            self._came_in,
            self._went_out,
        )
        self._came_in = self._went_out = 0
        for walk in self._walks.values():
            walk.came_in = walk.went_out = False
        return window
