"""One subscription that is kept alive: the only reader of the fleet, for watch, demo and simulate alike."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent.contract import topics
from agent.errors import BrokerError
from agent.mqtt import Backoff, BrokerLink, Received, explain_subscription

if TYPE_CHECKING:
    from agent.settings import MqttSettings
logger = logging.getLogger(__name__)

STEP_S: Final = 0.25
_HINT_AFTER_S: Final = 10.0


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
        stop: Ends the reading.
        seconds: After which it ends by itself.
    """

    def __init__(
        self,
        settings: MqttSettings,
        chosen: WatchFilter = WatchFilter(),
        *,
        name: str = "watch",
        stop: threading.Event | None = None,
        seconds: float | None = None,
    ) -> None:
        self._settings = settings
        self._filter = topics.fleet_filter(settings.root, chosen.site, chosen.device)
        # Never the device's own id: the broker would drop the device in favour of this reader.
        self._client_id = f"emotion-agent-{name}-{secrets.token_hex(4)}"
        self._stop = stop or threading.Event()
        self._until_s = float("inf") if seconds is None else time.monotonic() + seconds
        self._backoff = Backoff()
        self._link: BrokerLink | None = None
        """Opened before the reading begins."""
        self._seen_any = False

    def read(self, handle: Callable[[Received], object], tick: Callable[[], None] = lambda: None) -> None:
        """Hand every message to ``handle``, and call ``tick`` a few times a second, until stopped.

        Raises:
            BrokerError: The first connection fails; later ones are tried again.
        """
        link = self._link or self._connect()
        while not self._over():
            if link.alive:
                link.step(STEP_S)
                self._drain(link, handle)
            else:
                link = self._reconnect(link)
            tick()
        link.disconnect()

    @contextmanager
    def reading(self, handle: Callable[[Received], object]) -> Iterator[None]:
        """Read in a thread of its own while the block lasts; what is published in it arrives.

        Raises:
            BrokerError: As with ``read``.
        """
        self._link = self._connect()
        thread = threading.Thread(target=self.read, args=(handle,), name="fleet-reader", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _connect(self) -> BrokerLink:
        link = BrokerLink(self._settings, self._client_id)
        link.open()
        link.subscribe(self._filter)
        while link.alive and link.subscribed is None:
            link.step(STEP_S)
        if not link.subscribed:
            raise BrokerError(link.end_reason or explain_subscription(self._settings, self._filter))
        self._hint_at_s = time.monotonic() + _HINT_AFTER_S
        return link

    def _reconnect(self, lost: BrokerLink) -> BrokerLink:
        delay_s = self._backoff.next_delay_s()
        logger.warning("%s; trying again in %.1f s", lost.end_reason, delay_s)
        self._stop.wait(min(delay_s, max(0.0, self._until_s - time.monotonic())))
        if self._over():
            return lost
        try:
            link = self._connect()
        except BrokerError as error:
            lost.end_reason = str(error)
            return lost
        self._backoff.reset()
        return link

    def _drain(self, link: BrokerLink, handle: Callable[[Received], object]) -> None:
        while link.received:
            self._seen_any = True
            handle(link.received.popleft())
        if not self._seen_any and time.monotonic() > self._hint_at_s:
            self._seen_any = True
            logger.warning(
                "no message on %s yet: check mqtt.root and the broker's access list for this user",
                self._filter,
            )

    def _over(self) -> bool:
        return self._stop.is_set() or time.monotonic() >= self._until_s
