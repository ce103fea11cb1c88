"""Windows over one accepted connection: paced, bounded in flight, in order, until acknowledged."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from agent.mqtt import Backoff, BrokerLink
    from agent.publisher.outbox import Outbox, Parcel
    from agent.publisher.stamping import Stamper
    from agent.publisher.waiting import WaitingWindow

logger = logging.getLogger(__name__)

_IN_FLIGHT: Final = 10
"""Windows sent and not acknowledged; leaves room for the retained messages."""
_HISTORICAL_IN_FLIGHT: Final = 2
"""Of those, late ones: a broker busy with a returning fleet sets the pace by its acknowledgements."""
SECURE_AFTER_S: Final = 5.0
"""Windows unacknowledged for this long go to the queue file as well, in case the power fails next."""
STALL_S: Final = 20.0
"""Without any acknowledgement for this long, the broker is connected in name only."""


@dataclass(frozen=True, slots=True)
class Route:
    """What stays the same over all connections of a device."""

    topic: Callable[[WaitingWindow], str]
    """Where a window goes."""
    outbox: Outbox
    stamper: Stamper
    backoff: Backoff
    """Also paces new attempts after the broker refused a message."""
    replay_interval_s: float
    """Between two historical windows, so that a fleet coming back does not flood its broker."""


class Delivery:
    """The windows' side of one link; used by the ``mqtt`` thread."""

    def __init__(self, link: BrokerLink, route: Route) -> None:
        self.refusal = ""
        """Why the broker turned the last message down; empty since it took one."""
        self._link = link
        self._route = route
        self._in_flight: dict[int, Parcel] = {}
        self._next: Parcel | None = None
        self._not_before_s = 0.0
        self._progress_at_s = time.monotonic()

    @property
    def idle(self) -> bool:
        """Nothing sent is unacknowledged."""
        return not self._in_flight

    def send_due(self, *, paced: bool = True) -> float:
        """Send what may go out now; the seconds until more may, or infinity while only acks can help."""
        while self._link.alive and len(self._in_flight) < _IN_FLIGHT:
            self._next = self._next or self._route.outbox.take()
            if self._next is None:
                return float("inf")
            now_s = time.monotonic()
            historical = self._next.window.message.historical
            if now_s < self._not_before_s and (self.refusal or (paced and historical)):
                return self._not_before_s - now_s
            if historical and len(self._in_flight) >= _HISTORICAL_IN_FLIGHT:
                return float("inf")
            self._send(self._next)
            self._next = None
            if historical:
                self._not_before_s = now_s + self._route.replay_interval_s
        return float("inf")

    def settle(self) -> None:
        """Take in acknowledgements; a refused window is kept and tried again after a growing wait.

        The link is given up when the broker turns down who we are, or acknowledges nothing any more.
        """
        while self._link.acknowledged:
            answer = self._link.acknowledged.popleft()
            self._progress_at_s = time.monotonic()
            parcel = self._in_flight.pop(answer.ticket, None)
            if parcel is not None and answer.refusal:
                self._hold(answer.refusal)
            elif parcel is not None:
                self.refusal = ""
                self._route.outbox.acknowledge(parcel)
            elif answer.refusal and not self.refusal:
                self._link.give_up(answer.refusal)
        if self.idle:
            self._route.outbox.settle()
            return
        waiting_s = time.monotonic() - self._progress_at_s
        if waiting_s > SECURE_AFTER_S:
            self._route.outbox.store()
        if waiting_s > STALL_S:
            silent = f"{self._link.name} has acknowledged nothing for {STALL_S:.0f} s"
            self._link.give_up(f"{silent}: check its load and disk")

    def _send(self, parcel: Parcel) -> None:
        if self.idle:
            self._progress_at_s = time.monotonic()
        try:
            message = self._route.stamper.stamp(parcel.window)
            topic = self._route.topic(parcel.window)
            self._in_flight[self._link.publish(topic, message.payload())] = parcel
        except Exception as error:  # noqa: BLE001 - whatever it is, the windows behind it go on
            self._route.outbox.set_aside(parcel, error)

    def _hold(self, refusal: str) -> None:
        wait_s = self._route.backoff.next_delay_s()
        logger.warning("%s; trying again in %.1f s", refusal, wait_s)
        self.refusal = refusal
        self._not_before_s = time.monotonic() + wait_s
        self._in_flight.clear()
        self._next = None
        self._route.outbox.release()
