"""``python -m models train …``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from agent.exits import BAD_INPUT, errors_in_one_sentence
from models.commands.options import Data
from models.places import DATA, WEIGHTS

train_app = typer.Typer(help="Train a network; a killed run goes on where it stopped.", no_args_is_help=True)
Epochs = Annotated[int | None, typer.Option(help="Passes; the shipped recipe's number by default.", min=1)]
Seed = Annotated[int, typer.Option(help="Of weights, order and augmentation.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Start anew even if the run has a checkpoint.")]
Run = Annotated[Path, typer.Option(help="Folder for checkpoints, log and best weights.")]
Start = Annotated[
    Path | None, typer.Option("--from", help="Trained weights to begin with, of this variant or a smaller.")
]


def _trained(
    network: str, train: Callable[..., Path], data: Path, run: Path, *, epochs: int | None, **options: object
) -> None:
    """Train, and say where the weights are and what comes next."""
    if epochs is not None:
        options["epochs"] = epochs
    with errors_in_one_sentence(*BAD_INPUT):
        weights = train(data, run, **options)
        typer.echo(f"weights: {weights}; next: python -m quantize {network} --weights {weights}")


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
    from models.training.face import train_face  # noqa: PLC0415 - the help must not wait for torch

    options = {"variant": variant, "start": start, "seed": seed, "resume": not fresh}
    _trained("face", train_face, data, run, epochs=epochs, **options)


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
    from models.training.emotion import train_emotion  # noqa: PLC0415 - the help must not wait for torch

    options = {"variant": variant, "start": start, "seed": seed, "resume": not fresh, "weighted": weighted}
    _trained("emotion", train_emotion, data, run, epochs=epochs, teachers=teachers or (), **options)


@train_app.command("single-stage")
def train_single_stage_command(
    *,
    data: Data = DATA,
    run: Run = Path("runs/single-stage"),
    epochs: Epochs = None,
    start: Annotated[Path, typer.Option("--from", help="Weights of a face detector.")] = WEIGHTS
    / "yolo_face_nano.pt",
    classifier: Annotated[
        Path, typer.Option(help="Weights of the classifier that labels the scenes' faces.")
    ] = WEIGHTS / "mobilenet_emotion.pt",
    weighted: Annotated[
        bool, typer.Option("--weighted/--unweighted", help="Whether rare expressions count more.")
    ] = True,
    seed: Seed = 0,
    fresh: Fresh = False,
) -> None:
    """Teach a face detector to name the expression itself."""
    from models.training.single_stage import train_single_stage  # noqa: PLC0415 - the help must not wait for torch

    options = {"classifier": classifier, "start": start, "seed": seed, "weighted": weighted}
    _trained("single-stage", train_single_stage, data, run, epochs=epochs, resume=not fresh, **options)
