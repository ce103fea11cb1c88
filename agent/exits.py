"""What a command of ``python -m models`` does with an error: one sentence and an exit code."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from agent.errors import AgentError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def errors_in_one_sentence() -> Iterator[None]:
    """End the process with the error's own exit code, or 1 for what a file or a value caused."""
    try:
        yield
    except AgentError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except (OSError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
