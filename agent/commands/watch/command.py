"""Commands that look at a broker rather than a camera: ``watch`` and ``simulate``."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from agent.errors import AgentError, ConfigError
from agent.settings import MqttSettings
from agent.settings.reading import describe_problems, load_settings

Config = Annotated[Path | None, typer.Option("--config", "-c", help="Take the broker from its [mqtt] table.")]
Host = Annotated[str | None, typer.Option(help="Broker; localhost by default.")]
Port = Annotated[int | None, typer.Option(help="8883 with TLS, 1883 without, by default.")]
Root = Annotated[str | None, typer.Option(help="First level(s) of the topics.")]
User = Annotated[str | None, typer.Option(help="User name.")]
PasswordFile = Annotated[Path | None, typer.Option(help="File with the password on its first line.")]
CaFile = Annotated[Path | None, typer.Option(help="Authorities to trust, PEM.")]


def watch(
    *,
    config: Config = None,
    host: Host = None,
    port: Port = None,
    root: Root = None,
    username: User = None,
    password_file: PasswordFile = None,
    ca_file: CaFile = None,
    site: Annotated[str | None, typer.Option(help="Only this site.")] = None,
    device: Annotated[str | None, typer.Option(help="Only this device.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per message.")] = False,
    seconds: Annotated[float | None, typer.Option(help="End by itself after this time.")] = None,
) -> None:
    """Watch a fleet through its broker: state, counts, gaps, latency, queue."""
    from agent.commands.watch.terminal import WatchFilter  # noqa: PLC0415 - the help must not wait for MQTT
    from agent.commands.watch.terminal import watch as follow  # noqa: PLC0415

    settings = _broker(
        config,
        host=host,
        port=port,
        root=root,
        username=username,
        password_file=password_file,
        ca_file=ca_file,
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    follow(settings, WatchFilter(site, device), as_json=as_json, seconds=seconds, stop=stop)


def simulate(
    *,
    devices: Annotated[int, typer.Option(min=1, help="Virtual devices.")] = 100,
    windows: Annotated[int, typer.Option(min=1, help="Windows of each device.")] = 10,
    window_s: Annotated[float, typer.Option(help="Length of a window in seconds.")] = 1.0,
    connections: Annotated[int, typer.Option(min=1, help="Connections the devices share.")] = 8,
    seed: Annotated[int, typer.Option(help="Of the simulated visitors.")] = 1,
    config: Config = None,
    host: Host = None,
    port: Port = None,
    allow_remote: Annotated[bool, typer.Option(help="Load a broker on another machine.")] = False,
) -> None:
    """Publish the windows of many virtual devices at one broker, and report what that costs."""
    from agent.commands.simulate.load import SimulationPlan  # noqa: PLC0415 - the help must not wait for MQTT
    from agent.commands.simulate.load import simulate as load  # noqa: PLC0415

    settings = _broker(config, host=host, port=port)
    report = load(
        settings, SimulationPlan(devices, windows, window_s, connections, seed), allow_remote=allow_remote
    )
    for line in report.lines():
        typer.echo(line)
    if not report.complete:
        raise AgentError("windows are missing at the reader; lower --devices or look at the broker's log")


def _broker(config: Path | None, **options: Any) -> MqttSettings:
    """The file's broker, or the one the options describe, which win over the file."""
    base = load_settings(config).mqtt.model_dump() if config is not None else {}
    given = {key: value for key, value in options.items() if value is not None}
    try:
        return MqttSettings.model_validate({**base, **given})
    except ValidationError as error:
        raise ConfigError(describe_problems(error, origin="options")) from None
