"""The ``emotion-agent`` command: registers what a user may type; one door out for errors."""

from __future__ import annotations

from typing import Annotated

import typer

from agent import __version__
from agent.commands import COMMANDS
from agent.exits import errors_in_one_sentence
from agent.host import set_up_logging

app = typer.Typer(
    help="Counts facial expressions on this device and publishes only the totals over MQTT.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def _options(
    *,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="More log lines, and tracebacks.")] = False,
) -> None:
    set_up_logging(verbose=verbose)


for command in COMMANDS:
    app.command()(command)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Entry point; maps each error type to a sentence on stderr and its exit code."""
    with errors_in_one_sentence():
        app()


if __name__ == "__main__":
    main()
