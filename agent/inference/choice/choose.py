"""Chooses, by trying them, the backend, precision and input sizes this device runs best.

    bundle + settings ──► candidates ──► child processes ──► trials ──► decide ──► Choice
                                               └── kept in the state directory ──┘

The daemon loads only what was chosen. One backend runs all networks where one can, since a second
runtime costs tens of megabytes; each network then has the precision that is fastest there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.errors import BackendError
from agent.host import default_threads
from agent.inference.backends import ADAPTERS, CPU, choose_file, load_network
from agent.inference.choice.cache import circumstances, read_trials, write_trials
from agent.inference.choice.trial import Request, Timed, Trial
from agent.inference.choice.trying import ITEM_TIMEOUT_S, probe_backend
from agent.inference.choice.verdicts import Row, explain
from agent.settings import NO_CLASSIFIER

if TYPE_CHECKING:
    from agent.inference.bundle import Bundle, NetworkEntry
    from agent.inference.network import LoadedNetwork
    from agent.settings import ModelsSettings

NEAR_TIE: Final = 1.05
"""A backend must be this much faster to displace one that is listed before it in ``ADAPTERS``."""
BUDGET_SHARE: Final = 0.6
"""Of the latency budget that the networks alone may take at the tier the agent starts with."""


@dataclass(frozen=True, slots=True)
class Pick:
    """What one network runs on."""

    network: str
    backend: str
    device: str
    precision: str
    ms: float | None = None
    """Median time of one run; None where there was nothing to choose and so nothing was timed."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What the daemon is to load, and why."""

    detectors: tuple[Pick, ...]
    """The tiers: most accurate first, each cheaper than the one before."""
    classifier: Pick | None
    """None with a single-stage detector, and where people only are counted."""
    start_tier: int
    """The most accurate tier expected to fit the budget; the last one where none does."""
    fits: bool
    """Whether that tier is expected to fit."""
    rows: tuple[Row, ...]
    """Every candidate with its verdict."""
    cached: bool = False
    """Whether the trials are from an earlier start."""


@dataclass(frozen=True, slots=True)
class TrialOptions:
    """How candidates are tried."""

    seconds: float = 0.4
    """How long each file is timed."""
    item_timeout_s: float = ITEM_TIMEOUT_S
    """After which a candidate is taken for hung."""
    keep: bool = True
    """Write new trials down."""
    report: Callable[[Trial], None] | None = None
    """Takes each new trial as it is known."""


def make_choice(
    bundle: Bundle,
    settings: ModelsSettings,
    state_dir: Path | None,
    budget_ms: float,
    *,
    reselect: bool = False,
    options: TrialOptions = TrialOptions(),
) -> Choice:
    """Try the candidates, or read what trying them brought before, and decide.

    Args:
        bundle: Networks and reference tensors.
        settings: May pin backend or precision; where nothing is left to choose, nothing is tried.
        state_dir: Where to keep the trials; made where missing, None keeps nothing.
        budget_ms: From capture to reading.
        reselect: Try again whatever is kept.
        options: How to try.

    Raises:
        ModelError: The bundle lacks a configured network or precision.
        BackendError: No installed backend runs a network correctly; the reasons are named.
    """
    # Largest input first: it sees the smallest faces. The scores of two sizes can't be compared, as each
    # counts faces by their height at its own input.
    tiers = bundle.family(settings.detector)
    single_stage = next(iter(tiers.values())).task == "face_emotion"
    needless = single_stage or settings.classifier == NO_CLASSIFIER
    classifiers = {} if needless else dict(list(bundle.family(settings.classifier).items())[:1])
    networks = {**tiers, **classifiers}
    items = _candidates(networks, settings)
    if all(len(found) == 1 for found in items.values()):
        return _only_choice(items, tuple(tiers))
    threads = settings.threads or default_threads()
    now = circumstances(bundle, threads, (settings.backend, settings.precision, *networks))
    classifier = next(iter(classifiers), None)
    kept = None if reselect else read_trials(state_dir, now)
    if kept is not None:
        with contextlib.suppress(BackendError):  # trials that decide nothing are none
            return decide(kept, tuple(tiers), classifier, budget_ms, cached=True)
    trials = _try_all(bundle, items, threads, options)
    choice = decide(trials, tuple(tiers), classifier, budget_ms, cached=False)
    if options.keep:
        write_trials(state_dir, now, trials)
    return choice


def _only_choice(items: Mapping[str, Sequence[tuple[str, str]]], detectors: tuple[str, ...]) -> Choice:
    """Each network has one file that is allowed."""
    picks = {name: Pick(name, found[0][0], CPU, found[0][1]) for name, found in items.items()}
    classifier = next((pick for name, pick in picks.items() if name not in detectors), None)
    return Choice(tuple(picks[name] for name in detectors), classifier, start_tier=0, fits=True, rows=())


def load_pick(bundle: Bundle, pick: Pick, threads: int) -> LoadedNetwork:
    """Open what was chosen.

    Raises:
        ModelError: The file is missing, altered, or not what the manifest says.
        BackendError: The backend is gone since the choice was made.
    """
    return load_network(
        bundle,
        pick.network,
        bundle.manifest.networks[pick.network],
        backend=pick.backend,
        precision=pick.precision,
        threads=threads,
        device=pick.device,
    )


def decide(
    trials: Sequence[Trial],
    detectors: tuple[str, ...],
    classifier: str | None,
    budget_ms: float,
    *,
    cached: bool,
) -> Choice:
    """Which of the tried files to run; no time, no files, no processes.

    Raises:
        BackendError: Some network has no trial that agrees.
    """
    networks = (*detectors, *(() if classifier is None else (classifier,)))
    good = [Timed(trial, trial.ms) for trial in trials if trial.outcome == "agrees" and trial.ms is not None]
    for name in networks:
        if not any(timed.trial.network == name for timed in good):
            raise BackendError(_nothing_runs(name, trials))
    picks = _one_runtime(good, networks) or _best_each(good, networks)
    tiers = _descending_cost([picks[name] for name in detectors])
    voting_ms = 0.0 if classifier is None else picks[classifier].ms
    room_ms = BUDGET_SHARE * budget_ms - voting_ms
    fitting = [index for index, tier in enumerate(tiers) if tier.ms <= room_ms]
    return Choice(
        tuple(_pick(tier) for tier in tiers),
        None if classifier is None else _pick(picks[classifier]),
        start_tier=fitting[0] if fitting else len(tiers) - 1,
        fits=bool(fitting),
        rows=explain(trials, picks),
        cached=cached,
    )


def _candidates(
    networks: Mapping[str, NetworkEntry], settings: ModelsSettings
) -> dict[str, list[tuple[str, str]]]:
    """Backend and precision of each file that the settings allow, by network."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, entry in networks.items():
        # Refuses, in one sentence, a backend or precision that the bundle doesn't have.
        choose_file(name, entry, backend=settings.backend, precision=settings.precision)
        found[name] = [
            (file.backend, file.precision)
            for file in entry.files
            if file.backend in ADAPTERS
            and settings.backend in {"auto", file.backend}
            and settings.precision in {"auto", file.precision}
        ]
    return found


def _try_all(
    bundle: Bundle, items: Mapping[str, Sequence[tuple[str, str]]], threads: int, options: TrialOptions
) -> tuple[Trial, ...]:
    """One request per backend that has anything to try."""
    trials: list[Trial] = []
    for backend in ADAPTERS:
        wanted = [
            (name, precision)
            for name, found in items.items()
            for candidate, precision in found
            if candidate == backend
        ]
        if wanted:
            request = Request(
                str(bundle.folder), backend, threads, options.seconds, tuple(wanted), bundle.sha256
            )
            for trial in probe_backend(request, item_timeout_s=options.item_timeout_s):
                trials.append(trial)
                if options.report is not None:
                    options.report(trial)
    return tuple(trials)


def _one_runtime(good: Sequence[Timed], networks: Sequence[str]) -> dict[str, Timed] | None:
    """The backend and device that runs all networks in the least time altogether; None where none does."""
    best: dict[str, Timed] | None = None
    for runtime in dict.fromkeys(_runtime(timed) for timed in good):
        own = [timed for timed in good if _runtime(timed) == runtime]
        if all(any(timed.trial.network == name for timed in own) for name in networks):
            picks = _best_each(own, networks)
            if best is None or _total_ms(picks) * NEAR_TIE < _total_ms(best):
                best = picks
    return best


def _runtime(timed: Timed) -> tuple[str, str]:
    return timed.trial.backend, timed.trial.device


def _best_each(good: Sequence[Timed], networks: Sequence[str]) -> dict[str, Timed]:
    return {
        name: min((timed for timed in good if timed.trial.network == name), key=lambda timed: timed.ms)
        for name in networks
    }


def _total_ms(picks: Mapping[str, Timed]) -> float:
    return sum(timed.ms for timed in picks.values())


def _descending_cost(tiers: Sequence[Timed]) -> list[Timed]:
    """Drop what is neither more accurate nor cheaper than a tier before it."""
    kept = [tiers[0]]
    for tier in tiers[1:]:
        if tier.ms < kept[-1].ms:
            kept.append(tier)
    return kept


def _pick(timed: Timed) -> Pick:
    trial = timed.trial
    return Pick(trial.network, trial.backend, trial.device, trial.precision, timed.ms)


def _nothing_runs(name: str, trials: Sequence[Trial]) -> str:
    reasons = [
        f"{trial.backend} {trial.precision}".strip() + f": {trial.detail or trial.outcome}"
        for trial in trials
        if trial.network in {"", name} and trial.outcome != "agrees"
    ]
    said = "; ".join(reasons) or "nothing was tried"
    return f"no installed backend runs network {name!r} correctly ({said}): run emotion-agent doctor"
