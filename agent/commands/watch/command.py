"""``emotion-agent watch``."""

from __future__ import annotations

import re
import signal
from typing import Annotated

import typer

from agent.commands.broker_options import CaFile, Config, Host, PasswordFile, Port, Root, User, chosen_broker
from agent.errors import ConfigError
from agent.settings import TOPIC_LEVEL


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
    from agent.commands.watch.terminal import watch as follow  # noqa: PLC0415
    from agent.fleet import WatchFilter  # noqa: PLC0415 - the help must not wait for MQTT

    chosen = WatchFilter(_one_level("--site", site), _one_level("--device", device))
    settings = chosen_broker(
        config,
        host=host,
        port=port,
        root=root,
        username=username,
        password_file=password_file,
        ca_file=ca_file,
    )
    came: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        # Nothing that takes a lock: the signal may come while this very thread holds it.
        signal.signal(number, lambda number, _: came.append(number))
    follow(settings, chosen, as_json=as_json, seconds=seconds, stop=lambda: bool(came))


def _one_level(option: str, name: str | None) -> str | None:
    """A name that can stand in a topic: with ``#`` or ``+`` it would watch others, or nothing at all."""
    if name is not None and not re.fullmatch(TOPIC_LEVEL, name):
        raise ConfigError(
            f"{option} {name[:80]!r} is no name: give one, of letters, digits, '_', '.' and '-'"
        )
    return name
