"""``emotion-agent simulate``."""

from __future__ import annotations

from typing import Annotated

import typer

from agent.commands.broker_options import Config, Host, Port, chosen_broker
from agent.errors import AgentError


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
    from agent.commands.simulate import load  # noqa: PLC0415 - the help must not wait for MQTT

    settings = chosen_broker(config, host=host, port=port)
    plan = load.SimulationPlan(devices, windows, window_s, connections, seed)
    report = load.simulate(settings, plan, allow_remote=allow_remote)
    for line in report.lines():
        typer.echo(line)
    if not report.complete:
        raise AgentError("windows are missing at the reader; lower --devices or look at the broker's log")
