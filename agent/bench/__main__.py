"""``python -m agent.bench``: the same as ``emotion-agent bench``."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from agent.bench import BenchOptions, run_bench
from agent.errors import AgentError


def bench(
    *,
    budget_ms: Annotated[float, typer.Option(min=5.0, help="Latency budget.")] = 100.0,
    threads: Annotated[int, typer.Option(min=0, help="Inference threads; 0 is the agent's own choice.")] = 0,
    backend: Annotated[str, typer.Option(help="auto, onnxruntime, openvino or litert.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, int8_u8s8, int8_s8s8 or int8.")] = "auto",
    bundle: Annotated[Path | None, typer.Option(help="Folder with manifest.toml.", exists=True)] = None,
    faces: Annotated[str, typer.Option(help="Numbers of faces, with commas.")] = "1,5,20,50",
    fps: Annotated[float, typer.Option(min=0.0, help="Pace of the drawn camera; 0 is unpaced.")] = 15.0,
    seconds: Annotated[float, typer.Option(min=0.1, help="Per number of faces.")] = 10.0,
    burners: Annotated[int, typer.Option(min=0, max=64, help="Neighbours that burn a core each.")] = 0,
    soak: Annotated[int, typer.Option(min=0, help="Frames to run for the growth of memory.")] = 0,
    peers: Annotated[bool, typer.Option("--peers", help="Compare with other packages on one clip.")] = False,
    peer_python: Annotated[
        str, typer.Option(help="Python that has the fer package (pip install fer, in a venv of its own).")
    ] = sys.executable,
    yunet: Annotated[Path | None, typer.Option(help="YuNet's .onnx file.", exists=True)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Measure backends, the whole pipeline, memory, and peers."""
    options = BenchOptions(
        faces=tuple(int(count) for count in faces.split(",") if count),
        budget_ms=budget_ms,
        threads=threads,
        backend=backend,
        precision=precision,
        bundle=bundle,
        fps=fps or None,
        seconds=seconds,
        burners=burners,
        soak_frames=soak,
        peers=peers,
        peer_python=peer_python,
        yunet=yunet,
    )
    try:
        raise typer.Exit(run_bench(options, as_json=as_json))
    except AgentError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(error.exit_code) from error


if __name__ == "__main__":
    typer.run(bench)
