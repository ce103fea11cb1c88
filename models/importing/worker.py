"""Child process that imports one network: a file that fells the runtime takes only this with it.

Reads the request as JSON from stdin; what it says and its exit status are the command's.
"""

from __future__ import annotations

import sys

import typer

from agent.errors import AgentError, printable
from agent.exits import errors_in_one_sentence
from models.importing.request import REQUEST


def main() -> None:
    """Serve one request."""
    request = REQUEST.validate_json(sys.stdin.buffer.read())
    with errors_in_one_sentence(OSError):
        try:
            from models.importing.network import import_network  # noqa: PLC0415 - it may be missing ONNX
        except ImportError as error:
            raise AgentError(
                f"importing needs more packages ({error}): pip install 'emotion-agent[quantize]'"
            ) from error
        done = import_network(request, _say)
    _say(f"written: {done.key} in {done.bundle}")
    _say("run it with this in the configuration:")
    _say("")
    _say("[models]")
    _say(f'bundle = "{done.bundle.resolve()}"')
    _say(f'detector = "{done.entry.family}"')
    _say("allow_unsigned = true   # or sign it: python -m quantize sign --bundle DIR --key FILE")
    _say("")
    _say(f"next, for INT8: python -m quantize imported {done.entry.family} --bundle {done.bundle}")


def _say(line: str) -> None:
    typer.echo(printable(line))


if __name__ == "__main__":
    main()
