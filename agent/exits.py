"""How an error leaves a command: one sentence a line on stderr, and its exit code."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from agent.errors import AgentError, printable

logger = logging.getLogger(__name__)

INTERRUPTED: Final = 130
"""Exit status of a program ended by SIGINT where that is no clean stop (shell convention)."""
FAILED: Final = 1
_SHOWN_CHARACTERS: Final = 80

BAD_INPUT: Final = (OSError, ValueError)
"""What a user's file or value makes the offline commands raise."""


@contextmanager
def errors_in_one_sentence(*also: type[Exception]) -> Iterator[None]:
    """End the process with the error's own exit code.

    Args:
        also: Errors of others that are the user's to mend as well; they end it with ``FAILED``.
    """
    try:
        yield
    except AgentError as error:
        _leave(error, error.exit_code)
    except also as error:
        _leave(error, FAILED)
    except OSError as error:  # a full disk, a pipe without a reader, a path that no system call takes
        where = f" {str(error.filename)[:_SHOWN_CHARACTERS]!r}" if error.filename else ""
        _leave(error, FAILED, f"the system refused{where}: {error.strerror or error}; --verbose tells where")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _leave(error: Exception, status: int, words: str = "") -> None:
    logger.debug("traceback", exc_info=error)
    for line in (words or str(error)).splitlines():
        typer.echo(f"error: {printable(line)}", err=True)
    sys.exit(status)
