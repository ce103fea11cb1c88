"""``python -m models import``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from agent.errors import ModelError
from agent.exits import BAD_INPUT, errors_in_one_sentence
from agent.host import ask_child
from models.importing import REQUEST, ImportRequest

LONGEST_IMPORT_S: Final = 300.0
"""It takes seconds; a file may hold a network that never ends."""
_WORKER: Final = "models.importing.worker"

File = Annotated[Path, typer.Argument(help="The .onnx export of a YOLOv5, v6, v7, v8 or 11.")]
Name = Annotated[str | None, typer.Option(help="What a configuration calls it; the file's name by default.")]
BundleFolder = Annotated[
    Path | None, typer.Option("--bundle", help="Folder to put it into; NAME-bundle by default.")
]
Labels = Annotated[
    str | None,
    typer.Option(help="List in the order of the classes, or mapping such as happy=happiness,sad=sadness."),
]
Colour = Annotated[str, typer.Option(help="RGB or BGR.")]
Scale = Annotated[
    str | None, typer.Option(help="0-1 or 0-255: what pixels the network takes; 0-1 by default.")
]
Licence = Annotated[str | None, typer.Option(help="Licence of the file; what the file notes by default.")]
InputPx = Annotated[str | None, typer.Option(help="SIDE or WIDTHxHEIGHT for a file that takes any size.")]
Head = Annotated[str, typer.Option(help="Layout of the outputs where it can't be told.")]
Anchors = Annotated[
    str | None, typer.Option(help="Width,height of each anchor of raw YOLOv5 maps, in pixels.")
]
Image = Annotated[
    Path | None, typer.Option(help="Picture with a face to check it on; a built-in one by default.")
]
Replace = Annotated[bool, typer.Option("--replace", help="Overwrite a network of this name.")]


def import_command(
    file: File,
    *,
    name: Name = None,
    bundle: BundleFolder = None,
    labels: Labels = None,
    colour: Colour = "RGB",
    scale: Scale = None,
    licence: Licence = None,
    input_px: InputPx = None,
    head: Head = "auto",
    anchors: Anchors = None,
    image: Image = None,
    replace: Replace = False,
) -> None:
    """Bring your own detector: check a YOLO's ONNX export and make a bundle of it."""
    with errors_in_one_sentence(*BAD_INPUT):
        request = ImportRequest(
            file, name, bundle, labels, colour, scale, licence, head, input_px, anchors, image, replace
        )
        try:
            done = ask_child(_WORKER, REQUEST.dump_json(request), LONGEST_IMPORT_S)
        except subprocess.TimeoutExpired as error:
            raise ModelError(
                f"{file} was not understood within {LONGEST_IMPORT_S:g} s: export a network that ends"
            ) from error
        # What a runtime prints of its own is left out, unless there is nothing else.
        said = done.stderr.decode("utf-8", "replace").splitlines()
        errors = [line for line in said if line.startswith("error: ")]
        if done.returncode and not errors:
            last_words = "".join(said[-1:]) or f"status {done.returncode}"
            raise ModelError(f"{file} ends the process that tries it ({last_words}): export it anew")
        typer.echo(done.stdout.decode("utf-8", "replace"), nl=False)
        for line in errors:
            typer.echo(line, err=True)
        sys.exit(done.returncode)
