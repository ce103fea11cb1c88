"""Is a face that has just been confirmed somebody who was lost before?

A track that was lost at one place and one that begins at another are compared once, when the new one is
confirmed: then both speeds are known, and the way between must fit both (the observation-centred idea of
OC-SORT, Cao et al. 2023, and the tracklet stitching of older work). Place, size and time only.

Two cases differ. **Amid the picture** nobody can leave: a face that vanishes there was hidden by somebody,
by a pillar, or looked away, and one that begins there was hidden before. The odds are a logistic regression,
fitted on the walks of ``python -m models evaluate --protocol count`` (choosing half). **At an edge** people
leave and others come: whether one of them is the one who left is weighed against how many come there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, hypot, log, log1p, sqrt, tau
from operator import mul
from typing import Final

REMEMBERED_S: Final = 10.0
"""Whoever stays away for longer is somebody new."""
_EDGE: Final = 0.8
"""A centre nearer to the picture's edge than so many of the face's own sides is at the edge."""
_LEAVES_IN_S: Final = 0.3
"""Somebody who would be at the edge this soon was leaving."""

_CROSSES_AT: Final = 0.25
"""Sizes a second; who is slower stands there."""
_NEAR: Final = 0.8
"""Sizes apart up to which somebody is taken to have stayed, and to have walked beyond."""

_MOST_GROWN: Final = 2.0
_FASTEST: Final = 15.0
"""Between two sights no face grows by more than this, and nobody covers more sizes a second: faces are about
0.2 m high, and people run at 3 m/s at most."""

_STAYED: Final = (6.3, -1.5, -0.34, -0.36, -3.4, -2.2, -0.97, -0.62)
_WALKED: Final = (3.5, -1.57, -0.2, -0.46, -3.16, -3.02, 0.91, -1.63)
"""Logarithm of the odds where nothing speaks against it, and what each part of the evidence adds."""


_ARRIVALS_MEMORY_S: Final = 120.0
_FIRST_ARRIVALS: Final = 6.0
_PRIOR_LEFT: Final = 30.0
_PRIOR_RETURNING: Final = 0.02
_FADES: Final = 0.995
"""Of what is known of those who left, with each who does."""
_AWAY_S: Final = 4.0
"""For how long, on average."""
_BACK_DOWN: Final = 0.12
_BACK_SIZE: Final = 0.1
"""How far off their old line, in sizes, and of what other size (logarithm) they are then."""
_OTHERS_DOWN: Final = 3.0
_OTHERS_SIZE: Final = 0.15
_NEVER: Final = 1e-300
"""The same of everybody else who comes: anywhere within so many sizes, and of about the size that somebody on
that line has."""


@dataclass(frozen=True, slots=True)
class End:
    """How a track was last seen, or is seen now. Pixels of the frame, monotonic seconds."""

    at_s: float
    across_px: float
    down_px: float
    size_px: float
    """Side of the square of the box's area; at least 1."""
    across_px_per_s: float
    down_px_per_s: float

    def edge(self, picture_px: tuple[int, int], way: float) -> str:
        """The picture's edge at which it is and, with ``way`` 1, leaves, with -1, has come in; "" if none."""
        reach, pace = _EDGE * self.size_px, _CROSSES_AT * self.size_px
        width, height = picture_px
        if self.across_px < reach and -way * self.across_px_per_s > pace:
            return "left"
        if self.across_px > width - reach and way * self.across_px_per_s > pace:
            return "right"
        if self.down_px > height - reach and way * self.down_px_per_s > pace:
            return "bottom"
        return ""


def odds(lost: End, found: End, begun_s: float, picture_px: tuple[int, int]) -> float:
    """Logarithm of the odds that ``found``, first seen at ``begun_s``, continues ``lost``.

    Minus infinity where it can't.
    """
    if not 0.0 <= begun_s - lost.at_s <= REMEMBERED_S or not _possible(lost, found):
        return float("-inf")
    stayed, parts = evidence(lost, found, begun_s, picture_px)
    return float(sum(map(mul, _STAYED if stayed else _WALKED, parts)))


def return_odds(
    lost: End, found: End, begun_s: float, picture_px: tuple[int, int], traffic: Traffic
) -> float:
    """Logarithm of the odds that whoever left at an edge is the one who comes in there.

    Bayes' rule: how likely somebody who left comes back so soon, on the same line and of the same size,
    against how likely one of the others who come at that edge would look so.
    Minus infinity where nobody left there.
    """
    gap_s = begun_s - lost.at_s
    edge = left_at(lost, picture_px)
    if not edge or not 0.0 <= gap_s <= REMEMBERED_S or entered_at(found, begun_s, picture_px) != edge:
        return float("-inf")
    size = (lost.size_px * found.size_px) ** 0.5
    along = found.across_px - lost.across_px if edge == "bottom" else found.down_px - lost.down_px
    grown = log(found.size_px / lost.size_px)
    back = traffic.returning * exp(-gap_s / _AWAY_S) / _AWAY_S
    back *= _bell(along / size, _BACK_DOWN) * _bell(grown, _BACK_SIZE)
    others = traffic.arrivals_per_s(edge, found.at_s) * _bell(grown, _OTHERS_SIZE) / _OTHERS_DOWN
    return log(max(back, _NEVER)) - log(max(others, _NEVER))


def left_at(lost: End, picture_px: tuple[int, int]) -> str:
    """The edge of the picture at which somebody left; "" amid it."""
    return _moved(lost, _LEAVES_IN_S).edge(picture_px, 1.0)


def _possible(lost: End, found: End) -> bool:
    """Whether a person can have come from one to the other at all."""
    ratio = found.size_px / lost.size_px
    if not 1.0 / _MOST_GROWN <= ratio <= _MOST_GROWN:
        return False
    way_px = hypot(found.across_px - lost.across_px, found.down_px - lost.down_px)
    return way_px <= max(lost.size_px, found.size_px) * (1.0 + _FASTEST * (found.at_s - lost.at_s))


def entered_at(found: End, begun_s: float, picture_px: tuple[int, int]) -> str:
    """The edge of the picture at which somebody came in; "" amid it."""
    return _moved(found, begun_s - found.at_s).edge(picture_px, -1.0)


def _bell(value: float, deviation: float) -> float:
    """Density of the normal distribution around 0."""
    return exp(-0.5 * (value / deviation) ** 2) / (deviation * sqrt(tau))


def evidence(
    lost: End, found: End, begun_s: float, picture_px: tuple[int, int]
) -> tuple[bool, tuple[float, ...]]:
    """Whether somebody would have stayed where they were lost, and what then speaks for or against it.

    Logarithms, so that one wild figure never outweighs all others: the tails of a Student distribution.
    """
    gap_s, ago_s = begun_s - lost.at_s, found.at_s - begun_s
    size = (lost.size_px * found.size_px) ** 0.5
    grown = log1p(log(found.size_px / lost.size_px) ** 2 / 0.005)
    was = lost.across_px_per_s / size, lost.down_px_per_s / size
    now = found.across_px_per_s / size, found.down_px_per_s / size
    # Back to where it began, by its own speed: a first sight is often half a face.
    across = (found.across_px - lost.across_px) / size - now[0] * ago_s
    down = (found.down_px - lost.down_px) / size - now[1] * ago_s
    apart = across**2 + down**2
    began_at_edge = float(entered_at(found, begun_s, picture_px) != "")
    ended_at_edge = float(left_at(lost, picture_px) != "")
    if apart < _NEAR**2:
        speeds = log1p(was[0] ** 2 + was[1] ** 2), log1p(now[0] ** 2 + now[1] ** 2)
        return True, (1.0, log1p(apart / 0.05), grown, gap_s, began_at_edge, ended_at_edge, *speeds)
    # The way at the mean of both speeds: each alone says little of what happened in between.
    misfit = log1p((across - 0.5 * (was[0] + now[0]) * gap_s) ** 2 / (0.25 + gap_s**2))
    far, sunk = log1p(apart / (0.5 + gap_s**2)), log1p(down**2 / 0.05)
    return False, (1.0, misfit, grown, gap_s, began_at_edge, ended_at_edge, far, sunk)


def _moved(end: End, by_s: float) -> End:
    return replace(
        end,
        across_px=end.across_px + by_s * end.across_px_per_s,
        down_px=end.down_px + by_s * end.down_px_per_s,
    )


class Traffic:
    """How many people come at each edge of the picture, and how many of those who leave come back soon.

    Learnt as it goes, the last minutes counting most: a place where people lean out of the picture is unlike
    one where they pass by. The share of returners is estimated by expectation-maximisation, one step at each
    arrival (Neal & Hinton 1998), from a prior of one in fifty.
    """

    def __init__(self) -> None:
        self._arrivals: dict[str, tuple[float, float]] = {}
        """Faded number and the monotonic seconds of the latest."""
        self._left, self._returned = _PRIOR_LEFT, _PRIOR_LEFT * _PRIOR_RETURNING

    @property
    def returning(self) -> float:
        """Share of those who leave who come back within seconds."""
        return self._returned / self._left

    def note_left(self) -> None:
        """Somebody left."""
        self._left = _PRIOR_LEFT + _FADES * (self._left - _PRIOR_LEFT) + 1.0
        prior = _PRIOR_LEFT * _PRIOR_RETURNING
        self._returned = prior + _FADES * (self._returned - prior)

    def note_arrival(self, edge: str, returned: float, now_s: float) -> None:
        """Somebody came who left just before with this probability."""
        self._returned = min(self._left, self._returned + returned)
        self._arrivals[edge] = (self._faded(edge, now_s) + 1.0 - returned, now_s)

    def arrivals_per_s(self, edge: str, now_s: float) -> float:
        """People expected a second; where little is known, a few a minute."""
        return (self._faded(edge, now_s) + _FIRST_ARRIVALS) / _ARRIVALS_MEMORY_S

    def _faded(self, edge: str, now_s: float) -> float:
        number, at_s = self._arrivals.get(edge, (0.0, now_s))
        return number * exp(-max(0.0, now_s - at_s) / _ARRIVALS_MEMORY_S)
