"""Two counts of the same people: their ratio, and the 95 % interval that it can be trusted to.

Both count the same people, so their errors are what differs, not how many came by. Where people come one by
one, each key press is paired with the track that began nearest in time, and only those without a partner
tell how unsure the ratio is: the hybrid Wilson score interval for a ratio of paired proportions (Bonett and
Price 2006, Statistics in Medicine 25:3039; recommended by Fagerland, Lydersen and Laake 2014, ibid. 33:2850).
It needs no number of people whom neither has seen, and holds where nobody is without a partner.

Where more come than can be told apart in time, a missed person would be paired with another's second track,
and both errors hidden. There the time is cut into stretches, and the ratio's error is taken from how the
counts differ within each (ratio estimator over clusters, Cochran 1977, Sampling Techniques, section 6.3, on
the logarithmic scale, Student's t). With too few people for that, both are taken for independent Poisson
counts: honest, since people counted twice over would only be surer, and very wide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

PAIRED_WITHIN_S: Final = 3.0
"""A hand follows the eye within a second or two, and a track begins when its face is first seen well."""
FEW_PEOPLE: Final = 20
"""Below, any interval is wide."""
AIM: Final = 1.1
"""Factor by which the ratio may err for a site's count to be corrected by it."""
_Z: Final = NormalDist().inv_cdf(0.975)
_LEAST_DIFFERENCE: Final = 2.0
"""Sum of squares at the least: one error each way, which Bonett and Price add too."""
_PEOPLE_A_STRETCH: Final = 3
_MOST_STRETCHES: Final = 20


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of counting by hand."""

    by_hand: int
    """At least 1."""
    by_agent: int
    low: float
    high: float
    """Ends of the 95 % interval of the ratio."""
    pairs: int | None
    """People whom both saw; None where they came too close to one another to tell."""

    @property
    def ratio(self) -> float:
        """Tracks per person."""
        return self.by_agent / self.by_hand

    @property
    def wanting(self) -> int | None:
        """People to count in addition for the interval to be as narrow as ``AIM``; None can't tell yet."""
        if self.low <= 0.0 or (self.pairs is None and self.by_hand < FEW_PEOPLE):
            return None
        # The width goes with one over the root of the number of people.
        times = (math.log(self.high / self.low) / 2.0 / math.log(AIM)) ** 2
        return max(0, math.ceil(self.by_hand * (times - 1.0)))


def compare(presses_s: Sequence[float], tracks_s: Sequence[float], seconds: float) -> Comparison | None:
    """Compare key presses with the beginnings of tracks; None where nobody was counted by hand.

    Args:
        presses_s: When each person was counted by hand.
        tracks_s: When each track that counts began.
        seconds: From when on both times are counted from 0, how long was counted; above 0.
    """
    by_hand, by_agent = len(presses_s), len(tracks_s)
    if not by_hand:
        return None
    one_by_one = 2.0 * PAIRED_WITHIN_S * max(by_hand, by_agent) <= seconds
    if one_by_one or not by_agent:
        pairs = paired(presses_s, tracks_s)
        return Comparison(by_hand, by_agent, *_of_pairs(pairs, by_agent, by_hand), pairs)
    if by_hand < FEW_PEOPLE:
        width = _Z * math.sqrt(1.0 / by_hand + 1.0 / by_agent)
    else:
        width = _of_stretches(presses_s, tracks_s, seconds)
    ratio = by_agent / by_hand
    return Comparison(by_hand, by_agent, ratio * math.exp(-width), ratio * math.exp(width), None)


def paired(presses_s: Sequence[float], tracks_s: Sequence[float]) -> int:
    """Pairs of a press and a track within ``PAIRED_WITHIN_S``, the nearest first."""
    near = sorted(
        (abs(press_s - track_s), press, track)
        for press, press_s in enumerate(presses_s)
        for track, track_s in enumerate(tracks_s)
        if abs(press_s - track_s) <= PAIRED_WITHIN_S
    )
    taken: tuple[set[int], set[int]] = (set(), set())
    for _, press, track in near:
        if press not in taken[0] and track not in taken[1]:
            taken[0].add(press)
            taken[1].add(track)
    return len(taken[0])


def _of_pairs(both: int, agent: int, hand: int) -> tuple[float, float]:
    """Bonett and Price's interval; ``both`` is a part of each count."""
    anybody = agent + hand - both
    apart = math.sqrt((anybody - both + 2) / ((agent + 1) * (hand + 1)))
    alone = sum(math.sqrt((1 - (count + 1) / (anybody + 2)) / (count + 1)) for count in (agent, hand))
    z = _Z * apart / alone
    agent_low, agent_high = _wilson(agent, anybody, z)
    hand_low, hand_high = _wilson(hand, anybody, z)
    return agent_low / hand_high, agent_high / hand_low


def _wilson(count: int, of: int, z: float) -> tuple[float, float]:
    """Score interval of a share (Wilson 1927)."""
    reach = z * math.sqrt(z * z + 4.0 * count * (1.0 - count / of))
    middle, whole = 2.0 * count + z * z, 2.0 * (of + z * z)
    return max(0.0, middle - reach) / whole, (middle + reach) / whole


def _of_stretches(presses_s: Sequence[float], tracks_s: Sequence[float], seconds: float) -> float:
    """Half the interval's width on the logarithmic scale."""
    count = min(_MOST_STRETCHES, len(presses_s) // _PEOPLE_A_STRETCH)
    ratio = len(tracks_s) / len(presses_s)
    left = [0.0] * count
    for times_s, weight in ((tracks_s, 1.0), (presses_s, -ratio)):
        for at_s in times_s:
            left[min(count - 1, max(0, int(at_s / seconds * count)))] += weight
    variance = max(_LEAST_DIFFERENCE, sum(one * one for one in left) * count / (count - 1))
    return _student(count - 1) * math.sqrt(variance) / len(tracks_s)


def _student(freedom: int) -> float:
    """The t quantile of a 95 % interval, expanded around the normal one (Abramowitz and Stegun 26.7.5)."""
    return (
        _Z
        + (_Z**3 + _Z) / (4.0 * freedom)
        + (5.0 * _Z**5 + 16.0 * _Z**3 + 3.0 * _Z) / (96.0 * freedom * freedom)
    )
