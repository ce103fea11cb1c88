"""``emotion-agent notice``."""

from __future__ import annotations

from typing import Annotated

import typer

from agent.commands.options import DEFAULT_CONFIG, Config
from agent.settings import load_settings


def notice(
    *,
    config: Config = DEFAULT_CONFIG,
    language: Annotated[str, typer.Option(help="de, en, es, fr, it or nl.")] = "en",
    form: Annotated[str, typer.Option("--format", help="text, markdown or html.")] = "text",
    dpia: Annotated[
        bool, typer.Option("--dpia", help="A draft of the impact assessment instead (English, Markdown).")
    ] = False,
) -> None:
    """Print the notice for the door, filled in from the configuration (EU AI Act Art. 50(3))."""
    settings = load_settings(config)
    if dpia:
        from agent.commands.notice.dpia import render_dpia  # noqa: PLC0415

        typer.echo(render_dpia(settings), nl=False)
        return
    from agent.commands.notice.kinds import kinds_of  # noqa: PLC0415
    from agent.commands.notice.sheet import render_notice  # noqa: PLC0415

    place, policy = settings.deployment, settings.privacy
    typer.echo(render_notice(place, policy, kinds_of(settings), language=language, format=form), nl=False)
