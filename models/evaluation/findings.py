"""Everything that one call of ``python -m models evaluate`` is to find out, and what it found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from agent.domain import Json
from agent.settings import ModelsSettings
from models.evaluation.evaluate import EvaluationReport, evaluate
from models.evaluation.peers import Peer, PeersAsked, compare_peers, peer_sheet
from models.evaluation.protocols import run_aligned, run_count, run_five, run_nine, run_video
from models.evaluation.report import read_run
from models.evaluation.sheet import ProtocolScores, Sheet, report_tables
from models.evaluation.subject import EvaluationData, Subject, load_subject

PROTOCOLS: Final[Mapping[str, Callable[[Subject, Callable[[str], None]], ProtocolScores]]] = {
    "aligned": run_aligned,
    "nine": run_nine,
    "five": run_five,
    "video": run_video,
    "count": run_count,
}


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for."""

    data_dir: Path
    bundle_dir: Path
    protocols: tuple[str, ...] = ()
    """Keys of :data:`PROTOCOLS`; none means the scores of every file."""
    report_dir: Path | None = None
    """Where to write the page, which shows the scores of every file too."""
    run_dirs: tuple[Path, ...] = ()
    detector: str | None = None
    classifier: str | None = None
    """None is what the agent runs."""
    precision: str = "int8_u8s8"
    score_threshold: float | None = None
    """None is what the agent takes."""
    limit: int | None = None
    seed: int = 0
    choosing: bool = False
    tracker_python: str | None = None
    """For the protocol ``count``."""
    peers: PeersAsked | None = None
    """Other packages to compare with; asked for alone, it needs no data."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What there is to tell."""

    evaluation: EvaluationReport | None = None
    """None where only protocols or peers were asked for."""
    protocols: Mapping[str, ProtocolScores] = field(default_factory=dict)
    page: Path | None = None
    """The report that was written."""
    peers: tuple[Peer, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """Scores of the files, if asked for, one object per protocol, and a row per peer."""
        scores = {} if self.evaluation is None else self.evaluation.as_json()
        scores |= {name: found.as_json() for name, found in self.protocols.items()}
        return scores | ({"peers": [peer.as_json() for peer in self.peers]} if self.peers else {})

    def sheets(self) -> list[Sheet]:
        """All tables in the order of asking."""
        tables = [] if self.evaluation is None else list(report_tables(self.evaluation))
        tables += (sheet for found in self.protocols.values() for sheet in found.sheets())
        return [*tables, peer_sheet(self.peers)] if self.peers else tables


def find_out(request: Request, say: Callable[[str], None]) -> Findings:
    """Do all that is asked; ``say`` takes a line per finished step.

    Raises:
        ModelError: Data, networks or packages are missing or broken.
        ValueError: A training log can't be read.
    """
    agents = ModelsSettings()
    detector = request.detector or agents.detector
    classifier = request.classifier or agents.classifier
    data = EvaluationData(request.data_dir)
    evaluation = page = None
    write_page = _page_writer(request)
    peers: tuple[Peer, ...] = ()
    if request.peers is not None:  # our bundle as the agent itself would run it
        models = ModelsSettings(
            bundle=request.bundle_dir,
            trusted_keys=request.peers.trusted_keys,
            allow_unsigned=True,
            detector=detector,
            classifier=classifier,
        )
        peers = compare_peers(request.peers, models)
    if write_page is not None or not (request.protocols or peers):
        families = (detector, classifier)
        evaluation = evaluate(
            data, request.bundle_dir, families, limit=request.limit, seed=request.seed, say=say
        )
    if write_page is None and not request.protocols:
        return Findings(evaluation, peers=peers)
    subject = load_subject(
        request.bundle_dir,
        data,
        detector=detector,
        classifier=classifier,
        precision=request.precision,
        score_threshold=request.score_threshold,
        limit=request.limit,
        seed=request.seed,
        choosing=request.choosing,
        tracker_python=request.tracker_python,
    )
    protocols = {name: PROTOCOLS[name](subject, say) for name in request.protocols}
    if write_page is not None and evaluation is not None:
        page = write_page(subject, evaluation, protocols, say)
    return Findings(evaluation, protocols, page, peers)


def _page_writer(request: Request) -> Callable[..., Path] | None:
    """What will write the page, if one is asked for: fails before anything is measured, not after.

    Raises:
        ModelError: The package for plots is missing.
        ValueError: A training log can't be read.
    """
    if request.report_dir is None:
        return None
    from models.evaluation.report import write_report  # noqa: PLC0415 - plots need a package of an extra

    runs = [read_run(run_dir) for run_dir in request.run_dirs]
    return partial(write_report, folder=request.report_dir, bundle_dir=request.bundle_dir, runs=runs)
