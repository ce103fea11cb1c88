"""Says of every candidate, in words, why it was chosen or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.domain import Json
    from agent.inference.choice.trial import Timed, Trial


@dataclass(frozen=True, slots=True)
class Row:
    """A trial and what became of it."""

    trial: Trial
    chosen: bool
    verdict: str
    """"chosen", or why not."""

    def as_json(self) -> Json:
        """For a report: one table."""
        return {**asdict(self.trial), "chosen": self.chosen, "verdict": self.verdict}


def explain(trials: Sequence[Trial], picks: Mapping[str, Timed]) -> tuple[Row, ...]:
    """One row per trial, in their order.

    Args:
        trials: All of them.
        picks: The winner of each network.
    """
    return tuple(_row(trial, picks.get(trial.network)) for trial in trials)


def _row(trial: Trial, winner: Timed | None) -> Row:
    chosen = winner is not None and trial == winner.trial
    return Row(trial, chosen=chosen, verdict="chosen" if chosen else _why_not(trial, winner))


def _why_not(trial: Trial, winner: Timed | None) -> str:
    if trial.outcome != "agrees" or trial.ms is None:
        return trial.detail or trial.outcome
    if winner is None:
        return "not asked for"
    if trial.ms >= winner.ms:
        share = trial.ms / winner.ms if winner.ms > 0.0 else 1.0
        return f"slower, {share:.1f} times the time of {_name(winner.trial)}"
    return f"quick here, but {winner.trial.backend} is the better one for all networks together"


def _name(trial: Trial) -> str:
    device = "" if trial.device == "cpu" else f" on {trial.device}"
    return f"{trial.backend} {trial.precision}{device}"
