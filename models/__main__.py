"""``python -m models train|evaluate|export``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from agent.exits import errors_in_one_sentence
from models.commands.evaluate import evaluate_command
from models.commands.importing import import_command

app = typer.Typer(
    help="Train, evaluate and export the networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
train_app = typer.Typer(help="Train a network; a killed run goes on where it stopped.", no_args_is_help=True)
app.add_typer(train_app, name="train")
app.command("evaluate")(evaluate_command)
app.command("import")(import_command)

HERE = Path(__file__).resolve().parent
DATA = Path("../shared/data")

Data = Annotated[Path, typer.Option(help="Folder with the data files.")]
Epochs = Annotated[int | None, typer.Option(help="Passes; the shipped recipe's number by default.", min=1)]
Seed = Annotated[int, typer.Option(help="Of weights, order and augmentation.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Start anew even if the run has a checkpoint.")]
Run = Annotated[Path, typer.Option(help="Folder for checkpoints, log and best weights.")]

Start = Annotated[
    Path | None, typer.Option("--from", help="Trained weights to begin with, of this variant or a smaller.")
]


class NetworkKind(StrEnum):
    """What can be exported."""

    face = "face"
    emotion = "emotion"


@train_app.command("face")
def train_face_command(
    *,
    data: Data = DATA,
    run: Run = Path("runs/face"),
    epochs: Epochs = None,
    variant: Annotated[str, typer.Option(help="Member of the yolo_face family.")] = "pico",
    start: Start = None,
    seed: Seed = 0,
    fresh: Fresh = False,
) -> None:
    """Train the face detector on scenes and portraits."""
    from models.training.face.task import train_face  # noqa: PLC0415 - the help must not wait for torch

    options = {} if epochs is None else {"epochs": epochs}
    with errors_in_one_sentence():
        weights = train_face(data, run, variant=variant, start=start, seed=seed, resume=not fresh, **options)
        typer.echo(f"weights: {weights}; next: python -m quantize face --weights {weights}")


@train_app.command("emotion")
def train_emotion_command(
    *,
    data: Data = DATA,
    run: Run = Path("runs/emotion"),
    epochs: Epochs = None,
    variant: Annotated[str, typer.Option(help="Member of the mobilenet_emotion family.")] = "full",
    start: Start = None,
    teachers: Annotated[
        list[Path] | None, typer.Option("--teacher", help="Weights of a network to learn from; repeatable.")
    ] = None,
    weighted: Annotated[
        bool, typer.Option("--weighted/--unweighted", help="Whether rare expressions count more.")
    ] = False,
    seed: Seed = 0,
    fresh: Fresh = False,
) -> None:
    """Train the expression classifier on FER+ and portraits."""
    from models.training.emotion.task import train_emotion  # noqa: PLC0415 - the help must not wait for torch

    options = {} if epochs is None else {"epochs": epochs}
    with errors_in_one_sentence():
        weights = train_emotion(
            data,
            run,
            variant=variant,
            start=start,
            teachers=teachers or (),
            weighted=weighted,
            seed=seed,
            resume=not fresh,
            **options,
        )
        typer.echo(f"weights: {weights}; next: python -m quantize emotion --weights {weights}")


@train_app.command("single-stage")
def train_single_stage_command(
    *,
    data: Data = DATA,
    run: Run = Path("runs/single-stage"),
    epochs: Epochs = None,
    start: Annotated[Path, typer.Option("--from", help="Weights of a face detector.")] = HERE
    / "weights"
    / "yolo_face_nano.pt",
    classifier: Annotated[
        Path, typer.Option(help="Weights of the classifier that labels the scenes' faces.")
    ] = HERE / "weights" / "mobilenet_emotion.pt",
    weighted: Annotated[
        bool, typer.Option("--weighted/--unweighted", help="Whether rare expressions count more.")
    ] = True,
    seed: Seed = 0,
    fresh: Fresh = False,
) -> None:
    """Teach a face detector to name the expression itself."""
    from models.training.single_stage.task import train_single_stage  # noqa: PLC0415 - the help must not wait for torch

    options = {} if epochs is None else {"epochs": epochs}
    with errors_in_one_sentence():
        weights = train_single_stage(
            data,
            run,
            start=start,
            classifier=classifier,
            weighted=weighted,
            seed=seed,
            resume=not fresh,
            **options,
        )
        typer.echo(f"weights: {weights}; next: python -m quantize single-stage --weights {weights}")


@app.command("heads")
def heads_command(
    folder: Annotated[Path, typer.Argument(help="Folder to write the pictures to.")],
    *,
    data: Data = DATA,
    per_label: Annotated[int, typer.Option(help="Most heads of each expression.", min=1)] = 10,
) -> None:
    """Write heads of unseen people for ``emotion-agent bench --peers --heads``."""
    from models.held_out_heads import write_heads  # noqa: PLC0415 - the help must not wait for NumPy

    with errors_in_one_sentence():
        for label, count in write_heads(data, folder, per_label).items():
            typer.echo(f"{label}: {count}")


@app.command("export")
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
    with errors_in_one_sentence():
        if kind is NetworkKind.face:
            from models.export import face as face_export  # noqa: PLC0415 - the help must not wait for torch
            from models.face_weights import load_face  # noqa: PLC0415 - same

            network = load_face(weights or HERE / "weights" / "yolo_face_pico.pt")
            face_export.export_onnx(network, output, input_px)
        else:
            from models.export import emotion as emotion_export  # noqa: PLC0415 - the help must not wait for torch
            from models.networks.mobilenet import load_emotion  # noqa: PLC0415 - same

            emotion_export.export_onnx(
                load_emotion(weights or HERE / "weights" / "mobilenet_emotion.pt"), output
            )
    typer.echo(f"written: {output}")


if __name__ == "__main__":
    app()
