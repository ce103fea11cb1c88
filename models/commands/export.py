"""``python -m models export``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from agent.exits import BAD_INPUT, errors_in_one_sentence
from models.places import WEIGHTS


class NetworkKind(StrEnum):
    """What can be exported."""

    face = "face"
    emotion = "emotion"


def export_command(
    kind: Annotated[NetworkKind, typer.Argument(help="Which network.")],
    output: Annotated[Path, typer.Argument(help="The .onnx file to write.")],
    *,
    weights: Annotated[
        Path | None, typer.Option(help="Trained weights; the shipped ones by default.")
    ] = None,
    input_px: Annotated[int, typer.Option(help="Side of the face detector's input.", min=32)] = 320,
) -> None:
    """Write a network as FP32 ONNX, uint8 pixels in, raw outputs out."""
    with errors_in_one_sentence(*BAD_INPUT):
        from models.export import export_emotion, export_face  # noqa: PLC0415 - the help must not wait for torch
        from models.networks import load_emotion, load_face  # noqa: PLC0415 - same

        if kind is NetworkKind.face:
            export_face(load_face(weights or WEIGHTS / "yolo_face_pico.pt"), output, input_px)
        else:
            export_emotion(load_emotion(weights or WEIGHTS / "mobilenet_emotion.pt"), output)
    typer.echo(f"written: {output}")
