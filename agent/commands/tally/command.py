"""``emotion-agent tally``."""

from __future__ import annotations

from typing import Annotated

import typer

from agent.commands.options import DEFAULT_CONFIG, Config
from agent.errors import ConfigError
from agent.settings import AgentSettings, load_settings


def tally(
    *,
    config: Config = DEFAULT_CONFIG,
    source: Annotated[
        str | None, typer.Option(help="Name of the camera's table; not needed where there is one only.")
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.05, max=600.0, help="Longest time to count.")] = 5.0,
    write: Annotated[
        bool | None,
        typer.Option("--write/--no-write", help="Write the ratio into the configuration; else it asks."),
    ] = None,
) -> None:
    """Count people by hand beside the agent, and learn how far its counts can be trusted here."""
    settings = load_settings(config)
    name = _chosen(settings, source)
    if settings.sources[name].counting == "line":
        raise ConfigError(
            f"sources.{name} counts a line, and a tally is of who was in view:"
            ' set counting = "presence" while you count'
        )
    one = settings.model_copy(update={"sources": {name: settings.sources[name]}})
    from agent.commands.tally.course import run_tally  # noqa: PLC0415 - the help must not wait for NumPy

    if number := run_tally(one, config, limit_s=60.0 * minutes, write=write):
        raise typer.Exit(128 + number)


def _chosen(settings: AgentSettings, source: str | None) -> str:
    names = ", ".join(settings.sources)
    if source is None:
        if len(settings.sources) > 1:
            raise ConfigError(f"one source at a time can be counted: choose one of {names} with --source")
        return next(iter(settings.sources))
    if source not in settings.sources:
        raise ConfigError(f"--source {source[:80]!r} is not in the configuration: choose one of {names}")
    return source
