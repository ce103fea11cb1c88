"""``python -m models evaluate``: scores, published protocols, the report page; ``heads`` for its peers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, RichCast

from agent.exits import BAD_INPUT, errors_in_one_sentence
from models.commands.options import Data
from models.places import BUNDLE, DATA, LOGS


class ProtocolName(StrEnum):
    """Ways to judge for which reports have published figures."""

    aligned = "aligned"
    nine = "nine"
    five = "five"
    video = "video"
    people = "count"


Protocols = Annotated[
    list[ProtocolName] | None,
    typer.Option("--protocol", help="Judge as a report did, beside its figures; may be given several times."),
]
ReportFolder = Annotated[
    Path | None, typer.Option(help="Folder for index.html: all scores with plots and pictures.")
]
Runs = Annotated[
    list[Path] | None,
    typer.Option(
        help="Folder of a training run whose curves the page shall show; may be given several times."
        " By default the runs of the shipped networks."
    ),
]
Network = Annotated[
    str | None, typer.Option(help="Family or entry of the manifest; what the agent runs by default.")
]
Precision = Annotated[str, typer.Option(help="Of the networks in protocols and plots.")]
Threshold = Annotated[
    float | None,
    typer.Option(
        "--score-threshold", min=0.02, max=0.99, help="Of detections in protocols; the agent's by default."
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Most pictures of each kind, windows of the clip, or people of a walk; all of them by default.",
    ),
]
Peers = Annotated[bool, typer.Option("--peers", help="Compare with other packages on one clip.")]
PeerPython = Annotated[
    str, typer.Option(help="Python that has the fer package (pip install fer, in a venv of its own).")
]
YuNet = Annotated[Path | None, typer.Option(help="YuNet's .onnx file.", exists=True)]
Choosing = Annotated[
    bool, typer.Option("--choosing", help="Walks of the people and seeds that things are tuned on.")
]
TrackerPython = Annotated[
    str | None,
    typer.Option(help="Python with the package trackers (a venv of its own), for protocol count to compare."),
]
Heads = Annotated[
    Path | None, typer.Option(help="Folder with heads.csv to show the peers instead.", exists=True)
]
TrustedKeys = Annotated[
    list[Path] | None,
    typer.Option(help="Public key of the bundle's signer, for --peers; repeatable.", exists=True),
]


def evaluate_command(
    *,
    data: Data = DATA,
    bundle: Annotated[Path, typer.Option(help="Folder with manifest.toml.")] = BUNDLE,
    protocols: Protocols = None,
    report: ReportFolder = None,
    run: Runs = None,
    detector: Network = None,
    classifier: Network = None,
    precision: Precision = "int8_u8s8",
    threshold: Threshold = None,
    limit: Limit = None,
    seed: Annotated[int, typer.Option(help="Of what a limit leaves, and of the clip.")] = 0,
    choosing: Choosing = False,
    tracker_python: TrackerPython = None,
    peers: Peers = False,
    peer_python: PeerPython = "python3",
    yunet: YuNet = None,
    heads: Heads = None,
    trusted_key: TrustedKeys = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object of scores only.")] = False,
) -> None:
    """Score and time every network file of a bundle through the agent's own code."""
    from models.evaluation import PeersAsked, Request, find_out  # noqa: PLC0415 - the help must not wait for NumPy

    progress = Console(stderr=True, highlight=False)
    chosen = tuple(dict.fromkeys(name.value for name in protocols or ()))
    compared = PeersAsked(peer_python, yunet, heads, tuple(trusted_key or ())) if peers else None
    with errors_in_one_sentence(*BAD_INPUT), progress.status("evaluating"):
        request = Request(
            data_dir=data,
            bundle_dir=bundle,
            protocols=chosen,
            report_dir=report,
            run_dirs=tuple(run or sorted(LOGS.iterdir())),
            detector=detector,
            classifier=classifier,
            precision=precision,
            score_threshold=threshold,
            limit=limit,
            seed=seed,
            choosing=choosing,
            tracker_python=tracker_python,
            peers=compared,
        )
        findings = find_out(request, progress.print)
    if as_json:
        typer.echo(json.dumps(findings.as_json(), indent=2))
        return
    _show(findings.sheets(), findings.page)


def _show(sheets: Iterable[RichCast], page: Path | None) -> None:
    console = Console()
    for sheet in sheets:
        console.print(sheet)
    if page is not None:
        typer.echo(f"written: {page}")


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
