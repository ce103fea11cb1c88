"""Commands that look at this box: ``doctor``, ``bench``, ``notice`` and ``sbom``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from agent.errors import AgentError
from agent.settings.reading import load_settings

if TYPE_CHECKING:
    from agent.settings import AgentSettings

DEFAULT_CONFIG = Path("/etc/emotion-agent/config.toml")

Config = Annotated[Path, typer.Option("--config", "-c", help="TOML file.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
TrustedKeys = Annotated[
    list[Path] | None, typer.Option(help="Public key of the bundle's signer; repeatable.", exists=True)
]
PeerPython = Annotated[
    str, typer.Option(help="Python that has the fer package (pip install fer, in a venv of its own).")
]
Heads = Annotated[
    Path | None, typer.Option(help="Folder with heads.csv to show the peers instead.", exists=True)
]

STILL_S: Final = 20.0
GATE_S: Final = 300.0
"""Camera time of an empty room in ``bench``, and with ``--gate``."""


def doctor(
    *,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="TOML file; else defaults.")] = None,
    reselect: Annotated[bool, typer.Option(help="Try every backend again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Explain this box: what it is, whether camera and broker answer, which backend won and why."""
    settings = load_settings(config) if config is not None else settings_if_usable(DEFAULT_CONFIG)
    from agent.commands.doctor import run_doctor  # noqa: PLC0415
    from agent.daemon import state_directory  # noqa: PLC0415 - the help must not wait for NumPy

    state_dir = None if settings is None else state_directory(settings)
    raise typer.Exit(run_doctor(settings, state_dir=state_dir, reselect=reselect, as_json=as_json))


def settings_if_usable(path: Path) -> AgentSettings | None:
    """Settings of a box that may not be configured yet, or not for this user to see: it says so, goes on."""
    try:
        return load_settings(path) if path.exists() else None
    except (AgentError, OSError) as error:
        for line in str(error).splitlines():
            typer.echo(f"going on without configuration: {line}", err=True)
        return None


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
    peers: Annotated[bool, typer.Option("--peers", help="Compare with other packages on one clip.")] = False,
    peer_python: PeerPython = sys.executable,
    yunet: Annotated[Path | None, typer.Option(help="YuNet's .onnx file.", exists=True)] = None,
    heads: Heads = None,
    as_json: AsJson = False,
) -> None:
    """Measure backends, the whole pipeline, memory, and peers."""
    from agent.commands.bench.runner import BenchOptions, run_bench  # noqa: PLC0415 - the help must not wait for NumPy

    options = BenchOptions(
        faces=tuple(int(count) for count in faces.split(",") if count),
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
        peers=peers,
        peer_python=peer_python,
        yunet=yunet,
        heads=heads,
    )
    raise typer.Exit(run_bench(options, as_json=as_json))


def notice(
    *,
    config: Config = DEFAULT_CONFIG,
    language: Annotated[str, typer.Option(help="de, en, es, fr, it or nl.")] = "en",
    form: Annotated[str, typer.Option("--format", help="text, markdown or html.")] = "text",
    dpia: Annotated[
        bool, typer.Option("--dpia", help="A draft of the impact assessment instead (English, Markdown).")
    ] = False,
) -> None:
    """Print the notice for the door, filled in from the configuration (EU AI Act Art. 50(3))."""
    settings = load_settings(config)
    if dpia:
        from agent.commands.notice.dpia import render_dpia  # noqa: PLC0415

        typer.echo(render_dpia(settings), nl=False)
        return
    from agent.commands.notice.sheet import render_notice  # noqa: PLC0415

    typer.echo(render_notice(settings.deployment, settings.privacy, language=language, format=form), nl=False)


def sbom(
    *,
    wheels: Annotated[
        Path | None, typer.Option(help="List a folder of wheels instead of this installation.", exists=True)
    ] = None,
) -> None:
    """Print what is installed, networks included, as a bill of materials (CycloneDX, JSON)."""
    from agent.commands.sbom.cyclonedx import sbom_of_environment, sbom_of_wheels  # noqa: PLC0415

    typer.echo(sbom_of_environment() if wheels is None else sbom_of_wheels(wheels), nl=False)
