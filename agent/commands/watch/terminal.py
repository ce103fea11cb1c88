"""``emotion-agent watch``: the fleet as its broker tells of it, live; reads through MQTT and nothing else."""

from __future__ import annotations

import json
import logging
import secrets
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TextIO

from rich.console import Console
from rich.live import Live

from agent.commands.watch.table import FleetTable, line
from agent.contract import topics
from agent.errors import BrokerError
from agent.fleet.view import FleetView
from agent.mqtt.credentials import load_credentials, tls_context
from agent.mqtt.dial import Backoff
from agent.mqtt.link import BrokerLink
from agent.mqtt.refusals import broker_name, explain_subscription

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.mqtt.link import Received
    from agent.settings import MqttSettings

logger = logging.getLogger(__name__)

_STEP_S: Final = 0.25
_HINT_AFTER_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class WatchFilter:
    """Which devices to watch; None is all."""

    site: str | None = None
    device: str | None = None


def watch(
    settings: MqttSettings,
    chosen: WatchFilter | None = None,
    *,
    as_json: bool = False,
    seconds: float | None = None,
    stop: threading.Event | None = None,
    output: TextIO = sys.stdout,
) -> FleetView:
    """Show the fleet until ``stop`` is set or ``seconds`` have passed, reconnecting for ever.

    On a terminal a live table; elsewhere one line per window; with ``as_json`` one JSON object per message:
    ``site``, ``device``, ``kind``, then ``online`` or ``message``, and for counts ``source``, ``duplicate``
    and ``missing`` (windows numbered but not arrived).

    Returns:
        What was seen.

    Raises:
        BrokerError: The first connection fails; later ones are tried again.
        ConfigError: A credential or certificate file can't be used.
    """
    # A wrong file is the caller's mistake and ends here; one that vanishes later is a reason to retry.
    load_credentials(settings)
    tls_context(settings)
    view = FleetView(settings.root)
    reader = _Reader(settings, chosen or WatchFilter(), stop or threading.Event(), seconds)
    console = Console(file=output)
    if as_json:
        reader.read(lambda message: _print_json(view, message, output))
    elif output.isatty() and not console.is_dumb_terminal:
        _show_table(reader, view, console, broker_name(settings))
    else:
        reader.read(lambda message: _print_line(view, message, output))
    return view


class _Reader:
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
                link.step(_STEP_S)
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
            link.step(_STEP_S)
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


def _show_table(reader: _Reader, view: FleetView, console: Console, broker: str) -> None:
    table = FleetTable(view, f"expression counts at {broker}")

    def render() -> None:
        # Title, header, rules and caption take seven lines.
        drawn = table.render(time.monotonic(), console.width, max_rows=max(1, console.height - 7))
        live.update(drawn, refresh=True)

    with Live(console=console, auto_refresh=False) as live:
        reader.read(lambda message: _feed(view, message), render)


def _print_json(view: FleetView, message: Received, output: TextIO) -> None:
    told = _feed(view, message)
    if told is not None:
        print(json.dumps(told, separators=(",", ":")), file=output, flush=True)


def _print_line(view: FleetView, message: Received, output: TextIO) -> None:
    told = _feed(view, message)
    if told is not None and told["kind"] == "counts":
        device = view.devices[told["site"], told["device"]]
        source = told["source"]
        print(line(device, source, device.sources[source], time.monotonic()), file=output, flush=True)


def _feed(view: FleetView, message: Received) -> dict[str, Any] | None:
    return view.feed(message.topic, message.payload, time.monotonic())
