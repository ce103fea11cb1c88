"""Says of every candidate, in words, why it was chosen or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent.inference.choice.trial import Trial


@dataclass(frozen=True, slots=True)
class Row:
    """A trial and what became of it."""

    trial: Trial
    chosen: bool
    verdict: str
    """"chosen", or why not."""


def explain(trials: Sequence[Trial], picks: Mapping[str, Trial]) -> tuple[Row, ...]:
    """One row per trial, in their order.

    Args:
        trials: All of them.
        picks: The winner of each network.
    """
    return tuple(
        Row(trial, chosen=picks.get(trial.network) == trial, verdict=_verdict(trial, picks))
        for trial in trials
    )


def _verdict(trial: Trial, picks: Mapping[str, Trial]) -> str:
    winner = picks.get(trial.network)
    if trial.outcome != "agrees" or trial.ms is None:
        return trial.detail or trial.outcome
    if winner is None or winner.ms is None:
        return "not asked for"
    if trial == winner:
        return "chosen"
    if trial.ms >= winner.ms:
        share = trial.ms / winner.ms if winner.ms > 0.0 else 1.0
        return f"slower, {share:.1f} times the time of {_name(winner)}"
    return f"quick here, but {winner.backend} is the better one for all networks together"


def _name(trial: Trial) -> str:
    device = "" if trial.device == "cpu" else f" on {trial.device}"
    return f"{trial.backend} {trial.precision}{device}"
