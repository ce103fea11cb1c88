"""``emotion-agent run``: count until a signal or the end of a recording."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands.options import DEFAULT_CONFIG, Config
from agent.settings import load_settings

if TYPE_CHECKING:
    from agent.daemon import Daemon


def run(
    config: Config = DEFAULT_CONFIG,
    *,
    reselect: Annotated[bool, typer.Option("--reselect", help="Try every backend again.")] = False,
) -> None:
    """Count until SIGTERM or SIGINT, or to the end of a replayed file."""
    settings = load_settings(config)
    from agent.daemon import Daemon  # noqa: PLC0415 - `check` must not need the inference runtime

    daemon = Daemon(settings, reselect=reselect)
    stop_on_signals(daemon)
    daemon.run()


def stop_on_signals(daemon: Daemon) -> None:
    """Let SIGTERM and SIGINT take the same path: everything is closed in order and sent."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: daemon.stop())
