"""``emotion-agent watch``: the fleet as its broker tells of it, live; reads through MQTT and nothing else."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.live import Live

from agent.commands.watch.table import fleet_table, line
from agent.fleet import FleetView, Reader, Told, WatchFilter
from agent.mqtt import Received, broker_name, load_credentials, tls_context

if TYPE_CHECKING:
    from agent.settings import MqttSettings


def watch(
    settings: MqttSettings,
    chosen: WatchFilter | None = None,
    *,
    as_json: bool = False,
    seconds: float | None = None,
    stop: Callable[[], bool] = lambda: False,
    output: TextIO = sys.stdout,
) -> FleetView:
    """Show the fleet until ``stop`` says so or ``seconds`` have passed, reconnecting for ever.

    On a terminal a live table; elsewhere one line per window; with ``as_json`` one JSON object per message:
    ``site``, ``device``, ``kind``, then ``online`` or ``message``, and for windows ``source``, ``duplicate``
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
    reader = Reader(settings, chosen or WatchFilter(), stop=stop, seconds=seconds)
    console = Console(file=output)
    if as_json:
        reader.read(lambda message: _print_json(view, message, output))
    elif output.isatty() and not console.is_dumb_terminal:
        _show_table(reader, view, console, broker_name(settings))
    else:
        reader.read(lambda message: _print_line(view, message, output))
    return view


def _show_table(reader: Reader, view: FleetView, console: Console, broker: str) -> None:
    def render() -> None:
        # Title, header, rules and caption take seven lines.
        size, title = (console.width, max(1, console.height - 7)), f"counts at {broker}"
        live.update(fleet_table(view, time.monotonic(), *size, title=title), refresh=True)

    with Live(console=console, auto_refresh=False) as live:
        reader.read(lambda message: _feed(view, message), render)


def _print_json(view: FleetView, message: Received, output: TextIO) -> None:
    if (told := _feed(view, message)) is not None:
        print(json.dumps(told.as_json(), separators=(",", ":")), file=output, flush=True)


def _print_line(view: FleetView, message: Received, output: TextIO) -> None:
    told = _feed(view, message)
    if told is not None and told.window is not None:
        device = view.devices[told.address.site, told.address.device]
        source = told.address.source
        print(line(device, source, device.sources[source], time.monotonic()), file=output, flush=True)


def _feed(view: FleetView, message: Received) -> Told | None:
    return view.feed(message.topic, message.payload, time.monotonic())
