"""A day's windows and its total, each with noise of its own, brought into agreement.

The device tells the windows of a day and, apart from them, their sum. With noise the two disagree. Weighted
least squares finds the numbers that add up and lie nearest to all that was told, each by its variance: the
constrained inference of Hay, Rastogi, Miklau and Suciu, "Boosting the Accuracy of Differentially Private
Histograms Through Consistency" (PVLDB 3, 2010, arXiv:0904.0942), section 4, for a tree of two levels, with
weights because windows and total have different parts of epsilon. It is the best linear unbiased estimate,
and looks at published numbers only, so it costs no privacy. Nothing that was told is changed; what comes out
is new.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, inf
from typing import TYPE_CHECKING

from agent.domain import LABELS
from agent.privacy import noise_variance

if TYPE_CHECKING:
    from agent.fleet.seen import SeenCounts, SeenDay, SeenPolicy


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and how sure it is."""

    value: float
    variance: float
    """Of the noise in it; infinite for a number that only its neighbours tell of."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Windows that add up to their total."""

    windows: tuple[Estimate, ...]
    """In the order given; a withheld one has its share of what the others leave of the total."""
    total: Estimate


def reconcile(windows: Sequence[Estimate | None], total: Estimate | None) -> Reconciled:
    """The numbers nearest to those told that add up.

    Args:
        windows: As told; None for one that was suppressed or never arrived, of which nothing is supposed.
        total: As told; None likewise.

    Returns:
        No estimate has a greater variance than what it was told with. While a window is missing, nothing told
        can correct another: the rest stay as they are, and what they leave of the total is the missing ones'.
    """
    told = [window for window in windows if window is not None]
    missing = len(windows) - len(told)
    summed = Estimate(fsum(each.value for each in told), fsum(each.variance for each in told))
    if missing:
        return _with_missing(windows, missing, summed, total)
    if total is None:
        return Reconciled(tuple(told), summed)
    spread = summed.variance + total.variance
    # Exact numbers that disagree can't both be right; the total is left to the windows then.
    weight = summed.variance / spread if spread > 0.0 else 0.0
    gap = total.value - summed.value
    corrected = tuple(_corrected(each, gap, spread) for each in told)
    return Reconciled(corrected, Estimate(summed.value + weight * gap, weight * total.variance))


def reconcile_day(
    day: SeenDay, windows: Iterable[SeenCounts], policy: SeenPolicy
) -> Mapping[str, Reconciled]:
    """People and each label of a day, window by window and in total.

    Args:
        day: One source's total.
        windows: Of that source; those of other days or sessions are passed over, and of one that came twice
            the first is taken.
        policy: Of the session's birth: its ledger tells how much noise there is.

    Returns:
        ``people`` and every label. Only ``people`` is free of bias in sparse windows: a label's count below 0
        was told as 0, at the cost of the window's other labels.

    Raises:
        ValueError: The ledger has no entry for the windows or for the day.
    """
    epsilons = {entry.release: entry.epsilon / entry.sensitivity for entry in policy.ledger or ()}
    if not {"counts", "day"} <= set(epsilons):
        raise ValueError("the birth's ledger has no entry for counts and day: these numbers have no noise")
    told: dict[int, SeenCounts] = {}
    for window in windows:
        if window.session_id == day.session_id:
            told.setdefault(window.seq, window)
    row = [told.get(day.first_seq + index) for index in range(day.windows)]
    each, whole = noise_variance(epsilons["counts"]), noise_variance(epsilons["day"])

    def found(label: str) -> Reconciled:
        parts = [_estimate(window, label, each) for window in row]
        return reconcile(parts, _estimate(day, label, whole))

    return {label: found(label) for label in ("people", *LABELS)}


def _corrected(told: Estimate, gap: float, spread: float) -> Estimate:
    share = told.variance / spread if spread > 0.0 else 0.0
    return Estimate(told.value + share * gap, told.variance * (1.0 - share))


def _with_missing(
    windows: Sequence[Estimate | None], missing: int, summed: Estimate, total: Estimate | None
) -> Reconciled:
    left = Estimate(0.0, inf)
    if total is not None:
        rest = (total.value - summed.value) / missing
        left = Estimate(rest, summed.variance + total.variance if missing == 1 else inf)
    told = tuple(left if window is None else window for window in windows)
    return Reconciled(told, Estimate(summed.value, inf) if total is None else total)


def _estimate(told: SeenCounts | SeenDay | None, label: str, variance: float) -> Estimate | None:
    if told is None or told.people is None or told.counts is None:
        return None
    if label == "people":
        # The sum of nine counts with noise each.
        return Estimate(told.people, variance * len(LABELS))
    return Estimate(told.counts.get(label, 0), variance)
