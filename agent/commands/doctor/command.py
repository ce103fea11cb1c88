"""``emotion-agent doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.commands.options import DEFAULT_CONFIG, AsJson
from agent.errors import AgentError
from agent.settings import AgentSettings, load_settings


def doctor(
    *,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="TOML file; else defaults.")] = None,
    reselect: Annotated[bool, typer.Option(help="Try every backend again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Explain this box: what it is, whether camera and broker answer, which backend won and why."""
    settings = load_settings(config) if config is not None else settings_if_usable(DEFAULT_CONFIG)
    from agent.commands.doctor.examine import run_doctor  # noqa: PLC0415 - the help must not wait for NumPy
    from agent.host import state_directory  # noqa: PLC0415 - likewise

    state_dir = None if settings is None else state_directory(settings)
    raise typer.Exit(run_doctor(settings, state_dir=state_dir, reselect=reselect, as_json=as_json))


def settings_if_usable(path: Path) -> AgentSettings | None:
    """Settings of a box that may not be configured yet, or not for this user to see: it says so, goes on."""
    try:
        return load_settings(path) if path.exists() else None
    except (AgentError, OSError) as error:
        for line in str(error).splitlines():
            typer.echo(f"going on without configuration: {line}", err=True)
        return None
