"""One subscription that is kept alive: the only reader of the fleet, for watch, demo and simulate alike."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent.contract import topics
from agent.errors import BrokerError
from agent.mqtt import Backoff, BrokerLink, Dial, Received, Wake, explain_subscription

if TYPE_CHECKING:
    from agent.settings import MqttSettings
logger = logging.getLogger(__name__)

STEP_S: Final = 0.25
_HINT_AFTER_S: Final = 10.0
_ANSWER_S: Final = 10.0
"""For the broker's answer to the subscription."""
_LASTING_S: Final = 10.0
"""A connection that lasted this long ends the growth of the waits between attempts."""


@dataclass(frozen=True, slots=True)
class WatchFilter:
    """Which devices to watch; None is all."""

    site: str | None = None
    device: str | None = None


class Reader:
    """Keeps one subscription alive and hands over its messages.

    Args:
        settings: The broker.
        chosen: Which devices.
        name: Of the command that reads; part of its MQTT client id.
        stop: Asked a few times a second; ends the reading when it says so. It may read what a signal handler
            wrote, which an event could not: setting one takes a lock that the interrupted reader may hold.
        seconds: After which it ends by itself.
    """

    def __init__(
        self,
        settings: MqttSettings,
        chosen: WatchFilter = WatchFilter(),
        *,
        name: str = "watch",
        stop: Callable[[], bool] = lambda: False,
        seconds: float | None = None,
    ) -> None:
        self._settings = settings
        self._filter = topics.fleet_filter(settings.root, chosen.site, chosen.device)
        # Never the device's own id: the broker would drop the device in favour of this reader.
        self._client_id = f"emotion-agent-{name}-{secrets.token_hex(4)}"
        self._stop = stop
        self._ended = False
        """Set by the thread that began the reading."""
        self._until_s = float("inf") if seconds is None else time.monotonic() + seconds
        self._backoff = Backoff()
        self._link: BrokerLink | None = None
        """Opened before the reading begins."""
        self._subscribed_at_s = 0.0
        self._seen_any = False

    def read(self, handle: Callable[[Received], object], tick: Callable[[], None] = lambda: None) -> None:
        """Hand every message to ``handle``, and call ``tick`` a few times a second, until stopped.

        Raises:
            BrokerError: The first connection fails; later ones are tried again.
        """
        link = self._link or self._connect(handle)
        while link is not None and not self._over():
            if link.alive:
                link.step(STEP_S)
                self._drain(link, handle)
            else:
                link = self._reconnect(link, handle, tick)
            tick()
        if link is not None:
            link.disconnect()

    @contextmanager
    def reading(self, handle: Callable[[Received], object]) -> Iterator[None]:
        """Read in a thread of its own while the block lasts; what is published in it arrives.

        Raises:
            BrokerError: As with ``read``.
        """
        self._link = self._connect(handle)
        thread = threading.Thread(target=self.read, args=(handle,), name="fleet-reader", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended = True
            thread.join()

    def _connect(self, handle: Callable[[Received], object]) -> BrokerLink | None:
        """A subscribed link, or None when the reading is over."""
        link = BrokerLink(self._settings, self._client_id)
        with closing(Wake()) as wake:
            dial = Dial(link, wake)
            while not dial.finished.wait(STEP_S):
                if self._over():
                    dial.abandon()
                    return None
        if dial.error is not None:
            raise dial.error
        link.subscribe(self._filter)
        self._subscribed_at_s = time.monotonic()
        # Retained messages may come before the answer, more than a link keeps.
        while link.alive and link.subscribed is None and not self._over():
            link.step(STEP_S)
            self._drain(link, handle)
            if time.monotonic() > self._subscribed_at_s + _ANSWER_S:
                link.give_up(f"{link.name} does not answer the subscription to {self._filter}: see its log")
        if not link.subscribed and not self._over():
            link.close()
            raise BrokerError(link.end_reason or explain_subscription(self._settings, self._filter))
        return link

    def _reconnect(
        self, lost: BrokerLink, handle: Callable[[Received], object], tick: Callable[[], None]
    ) -> BrokerLink | None:
        if time.monotonic() > self._subscribed_at_s + _LASTING_S:
            self._backoff.reset()
        while not self._over():
            delay_s = self._backoff.next_delay_s()
            logger.warning("%s; trying again in %.1f s", lost.end_reason, delay_s)
            resume_at_s = time.monotonic() + delay_s
            while not self._over() and (left_s := resume_at_s - time.monotonic()) > 0.0:
                time.sleep(min(STEP_S, left_s))
                tick()
            try:
                return self._connect(handle)
            except BrokerError as error:
                lost.end_reason = str(error)
        return None

    def _drain(self, link: BrokerLink, handle: Callable[[Received], object]) -> None:
        while link.received:
            self._seen_any = True
            handle(link.received.popleft())
        if not self._seen_any and time.monotonic() > self._subscribed_at_s + _HINT_AFTER_S:
            self._seen_any = True
            logger.warning(
                "no message on %s yet: check mqtt.root and the broker's access list for this user",
                self._filter,
            )

    def _over(self) -> bool:
        return self._ended or self._stop() or time.monotonic() >= self._until_s
