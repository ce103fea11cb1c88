"""``python -m models heads``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.exits import BAD_INPUT, errors_in_one_sentence
from models.commands.options import Data
from models.places import DATA


def heads_command(
    folder: Annotated[Path, typer.Argument(help="Folder to write the pictures to.")],
    *,
    data: Data = DATA,
    per_label: Annotated[int, typer.Option(help="Most heads of each expression.", min=1)] = 10,
) -> None:
    """Write heads of unseen people for ``python -m models evaluate --peers --heads``."""
    from models.evaluation.peers import write_heads  # noqa: PLC0415 - the help must not wait for NumPy

    with errors_in_one_sentence(*BAD_INPUT):
        for label, count in write_heads(data, folder, per_label).items():
            typer.echo(f"{label}: {count}")
