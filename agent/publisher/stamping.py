"""The last word on a window's wall-clock stamps, spoken when it is sent.

A window stamped before the clock was right is stamped anew if the clock has become right since. And the
windows of one source that are called synchronised never overlap: where a synchronised clock was stepped
back, they advance at half speed, flagged as unsynchronised, until they have caught up. A step of more
than ``LARGEST_OVERLAP_S`` is followed at once, because the stamps sent before it were plainly wrong.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from typing import TYPE_CHECKING, Final

from agent.domain import Stamps
from agent.publisher.wallclock import WallClock, boot_id

if TYPE_CHECKING:
    from agent.contract import AnyWindowMessage
    from agent.publisher.waiting import WaitingWindow

LARGEST_OVERLAP_S: Final = 86_400.0
_REMEMBERED: Final = 256
"""More windows than can be in flight, so that one sent again keeps its stamps."""


class Stamper:
    """Stamps windows in the order in which they are sent."""

    def __init__(self, clock: WallClock, boot: str | None = None) -> None:
        self._clock = clock
        self._boot_id = boot_id() if boot is None else boot
        self._last_end: dict[str, datetime] = {}
        """Per source: end of the latest window sent as synchronised."""
        self._sent: OrderedDict[tuple[str, str, int], Stamps] = OrderedDict()

    def stamp(self, window: WaitingWindow) -> AnyWindowMessage:
        """The message to send; the same window gets the same stamps each time."""
        stamps = self._sent.get(window.key)
        if stamps is None:
            stamps = self._place(window.source, self._current(window))
            self._sent[window.key] = stamps
            if len(self._sent) > _REMEMBERED:
                self._sent.popitem(last=False)
        return window.message.model_copy(
            update={
                "window_start": stamps.start,
                "window_end": stamps.end,
                "clock_synced": stamps.synced,
            }
        )

    def _current(self, window: WaitingWindow) -> Stamps:
        message = window.message
        if not message.clock_synced and self._clock.synced and window.boot_id == self._boot_id:
            return self._clock.stamps(window.opened_at_s, window.closed_at_s)
        return Stamps(message.window_start, message.window_end, message.clock_synced)

    def _place(self, source: str, stamps: Stamps) -> Stamps:
        if not stamps.synced:
            return stamps
        last_end = self._last_end.get(source, stamps.start)
        if 0.0 < (last_end - stamps.start).total_seconds() <= LARGEST_OVERLAP_S:
            half = (stamps.end - stamps.start) / 2
            stamps = Stamps(last_end, max(stamps.end, last_end + half), synced=False)
        self._last_end[source] = stamps.end
        return stamps
