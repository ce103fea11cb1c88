"""``emotion-agent bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from agent.commands.bench.figures import BenchOptions
from agent.commands.options import AsJson
from agent.errors import ConfigError

TrustedKeys = Annotated[
    list[Path] | None, typer.Option(help="Public key of the bundle's signer; repeatable.", exists=True)
]
MOST_FACES: Final = 200
"""More would be a few pixels each."""
_ROOM_FOR: Final = frozenset(map(str, range(MOST_FACES + 1)))
STILL_S: Final = 20.0
GATE_S: Final = 300.0
"""Camera time of an empty room in ``bench``, and with ``--gate``."""


def bench(
    *,
    budget_ms: Annotated[float, typer.Option(min=5.0, help="Latency budget.")] = 100.0,
    threads: Annotated[int, typer.Option(min=0, help="Inference threads; 0 is the agent's own choice.")] = 0,
    backend: Annotated[str, typer.Option(help="auto, onnxruntime, openvino or litert.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, int8_u8s8, int8_s8s8 or int8.")] = "auto",
    bundle: Annotated[Path | None, typer.Option(help="Folder with manifest.toml.", exists=True)] = None,
    trusted_key: TrustedKeys = None,
    allow_unsigned: Annotated[
        bool, typer.Option("--allow-unsigned", help="Run a bundle without signature.")
    ] = False,
    faces: Annotated[str, typer.Option(help="Numbers of faces, with commas.")] = "1,5,20,50",
    fps: Annotated[float, typer.Option(min=0.0, help="Pace of the drawn camera; 0 is unpaced.")] = 15.0,
    seconds: Annotated[float, typer.Option(min=0.1, help="Per number of faces.")] = 10.0,
    burners: Annotated[int, typer.Option(min=0, max=64, help="Neighbours that burn a core each.")] = 0,
    soak: Annotated[int, typer.Option(min=0, help="Frames to run for the growth of memory.")] = 0,
    gate: Annotated[bool, typer.Option("--gate", help="Five minutes of the empty room, not 20 s.")] = False,
    sources: Annotated[int, typer.Option(min=0, max=16, help="Cameras to run at once.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Measure backends, the whole pipeline, and memory."""
    from agent.commands.bench.runner import run_bench  # noqa: PLC0415 - the help must not wait for NumPy

    options = BenchOptions(
        faces=_counts(faces),
        budget_ms=budget_ms,
        threads=threads,
        backend=backend,
        precision=precision,
        bundle=bundle,
        trusted_keys=tuple(trusted_key or ()),
        allow_unsigned=allow_unsigned,
        fps=fps or None,
        seconds=seconds,
        burners=burners,
        soak_frames=soak,
        still_s=GATE_S if gate else STILL_S,
        sources=sources,
    )
    run_bench(options, as_json=as_json)


def _counts(text: str) -> tuple[int, ...]:
    """Numbers of faces.

    Raises:
        ConfigError: One is none that the drawn camera has room for.
    """
    counts = [count.strip() for count in text.split(",") if count.strip()]
    if not all(count in _ROOM_FOR for count in counts):
        raise ConfigError(f"--faces {text} can't be drawn: give numbers up to {MOST_FACES}, such as 1,5,20")
    return tuple(map(int, counts))
