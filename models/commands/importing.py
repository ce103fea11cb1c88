"""``python -m models import``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from agent.errors import AgentError
from agent.exits import errors_in_one_sentence

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
    console = Console(highlight=False, soft_wrap=True, markup=False)
    with errors_in_one_sentence(OSError):
        try:
            from models.importing import (  # noqa: PLC0415 - the help must not wait for ONNX
                ImportRequest,
                import_network,
            )
        except ImportError as error:
            raise AgentError(
                f"importing needs more packages ({error}): pip install 'emotion-agent[quantize]'"
            ) from error
        request = ImportRequest(
            file, name, bundle, labels, colour, scale, licence, head, input_px, anchors, image, replace
        )
        done = import_network(request, console.print)
    console.print(f"written: {done.key} in {done.bundle}")
    console.print("run it with this in the configuration:\n\n[models]")
    console.print(f'bundle = "{done.bundle.resolve()}"\ndetector = "{done.entry.family}"')
    console.print("allow_unsigned = true   # or sign it: python -m quantize sign --bundle DIR --key FILE\n")
    console.print(f"next, for INT8: python -m quantize imported {done.entry.family} --bundle {done.bundle}")
