"""One subscription that is kept alive."""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent.contract import topics
from agent.errors import BrokerError
from agent.mqtt import Backoff, BrokerLink, explain_subscription

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from agent.mqtt import Received
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
    """Keeps one subscription alive and hands over its messages."""

    def __init__(
        self, settings: MqttSettings, chosen: WatchFilter, stop: threading.Event, seconds: float | None
    ) -> None:
        self._settings = settings
        self._filter = topics.fleet_filter(settings.root, chosen.site, chosen.device)
        self._stop = stop
        self._until_s = float("inf") if seconds is None else time.monotonic() + seconds
        self._backoff = Backoff()
        self._seen_any = False

    def read(self, handle: Callable[[Received], object], tick: Callable[[], None] = lambda: None) -> None:
        """Hand every message to ``handle``, and call ``tick`` a few times a second."""
        link = self._connect()
        while not self._over():
            if link.alive:
                link.step(STEP_S)
                self._drain(link, handle)
            else:
                link = self._reconnect(link)
            tick()
        link.disconnect()

    def _connect(self) -> BrokerLink:
        # Never the device's own id: the broker would drop the device in favour of this reader.
        link = BrokerLink(self._settings, f"emotion-agent-watch-{secrets.token_hex(4)}")
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
