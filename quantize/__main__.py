"""``python -m quantize face|emotion|sign``: from trained weights to verified networks in a signed bundle."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from agent.exits import BAD_INPUT, errors_in_one_sentence
from models.places import BUNDLE, DATA, WEIGHTS
from quantize.build import Built

app = typer.Typer(
    help="Quantise trained networks to INT8, check them against FP32, write them to the bundle.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Data = Annotated[Path, typer.Option(help="Folder with the data files.")]
Bundle = Annotated[Path, typer.Option(help="Folder to write networks and manifest.toml to.")]
Weights = Annotated[Path, typer.Option(help="Trained weights.")]


@app.command()
def face(
    data: Data = DATA, bundle: Bundle = BUNDLE, weights: Weights = WEIGHTS / "yolo_face_pico.pt"
) -> None:
    """Quantise the face detector at all its input sizes."""
    _build_face(data, bundle, weights, largest_only=False)


@app.command("single-stage")
def single_stage(
    data: Data = DATA, bundle: Bundle = BUNDLE, weights: Weights = WEIGHTS / "yolo_emotion_nano.pt"
) -> None:
    """Quantise the detector that names the expression itself, at its largest input size."""
    _build_face(data, bundle, weights, largest_only=True)


@app.command()
def emotion(
    data: Data = DATA, bundle: Bundle = BUNDLE, weights: Weights = WEIGHTS / "mobilenet_emotion.pt"
) -> None:
    """Quantise the expression classifier and calibrate its confidence."""
    from quantize.build import build  # noqa: PLC0415 - the help must not wait for torch
    from quantize.plans import emotion_plan  # noqa: PLC0415 - same

    with _session() as (console, folder):
        plan = emotion_plan(weights, data, folder)
        console.print(
            f"{plan.name}: temperature {plan.entry.temperature}, unknown below {plan.entry.unknown_below}"
        )
        _write(bundle, {plan.name: build(plan, folder, console.print)}, console)


@app.command()
def imported(
    name: Annotated[str, typer.Argument(help="As it was named by python -m models import.")],
    *,
    bundle: Annotated[
        Path | None, typer.Option(help="Folder it was imported into; NAME-bundle by default.")
    ] = None,
    data: Data = DATA,
    images: Annotated[
        Path | None, typer.Option(help="Pictures to calibrate and compare on instead of the data files.")
    ] = None,
) -> None:
    """Quantise a detector of your own for ONNX Runtime."""
    from quantize.plans import (  # noqa: PLC0415 - the help must not wait for ONNX
        build_imported,
        imported_plans,
    )

    target = bundle or Path(f"{name}-bundle")
    with _session() as (console, folder):
        built = {}
        for plan in imported_plans(target, name, data, images):
            built[plan.name] = build_imported(plan, folder, console.print)
            console.print(f"{plan.name}: licence of all its files: {plan.entry.licence}")
        _write(target, built, console)


@app.command()
def sign(
    key: Annotated[Path, typer.Option(help="Private Ed25519 key (PEM), kept outside the repository.")],
    bundle: Bundle = BUNDLE,
) -> None:
    """Sign the bundle's manifest, once all its files are found to be as it says."""
    from models.bundling import is_shipped, sign_bundle  # noqa: PLC0415 - the help must not wait for it

    with errors_in_one_sentence(*BAD_INPUT):
        signer = sign_bundle(bundle, key, lambda: typer.prompt(f"passphrase of {key}", hide_input=True))
        typer.echo(f"{bundle} is signed by key {signer}")
        if not is_shipped(signer):
            typer.echo(
                "That key did not come with the agent: name its public half in models.trusted_keys"
                " of each device, or put it into agent/inference/bundle/keys."
            )


@app.command()
def keygen(file: Annotated[Path, typer.Argument(help="For the private key, such as keys/site.key.")]) -> None:
    """Make a key pair to sign bundles with."""
    from models.bundling import make_key_pair  # noqa: PLC0415 - the help must not wait for it

    with errors_in_one_sentence(*BAD_INPUT):
        public = make_key_pair(file)
        typer.echo(f"private key: {file}; keep it off devices and out of repositories")
        typer.echo(
            f"public key: {public}; name it in models.trusted_keys,"
            " or put it into agent/inference/bundle/keys"
        )


def _build_face(data: Path, bundle: Path, weights: Path, *, largest_only: bool) -> None:
    from quantize.build import build  # noqa: PLC0415 - the help must not wait for torch
    from quantize.plans import face_plans  # noqa: PLC0415 - same

    with _session() as (console, folder):
        plans = face_plans(weights, data, folder, largest_only=largest_only)
        _write(bundle, {plan.name: build(plan, folder, console.print) for plan in plans}, console)


@contextmanager
def _session() -> Iterator[tuple[Console, Path]]:
    """A console, a scratch folder, a spinner on a terminal, and errors in one sentence."""
    console = Console(highlight=False, soft_wrap=True)
    with (
        errors_in_one_sentence(*BAD_INPUT),
        tempfile.TemporaryDirectory(prefix="quantize-") as folder,
        console.status("quantising"),
    ):
        yield console, Path(folder)


def _write(bundle: Path, built: dict[str, Built], console: Console) -> None:
    from models.bundling import write_networks  # noqa: PLC0415 - the help must not wait for it

    entries = {name: result.entry for name, result in built.items()}
    files = {path: source for result in built.values() for path, source in result.files.items()}
    write_networks(bundle, entries, files)
    for result in built.values():
        for verdict in result.verdicts:
            lost = ", ".join(f"{key} {value:+.2f}" for key, value in verdict.lost_points.items())
            console.print(
                f"{verdict.name}: points lost on held-out images: {lost} (allowed {verdict.allowed_points})"
            )
    console.print(f"{len(files)} files and manifest.toml written to {bundle}")
    console.print("It is not signed now, and agents refuse it: python -m quantize sign --key FILE")


if __name__ == "__main__":
    app()
