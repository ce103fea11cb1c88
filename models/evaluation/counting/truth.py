"""Who was to be seen in a walk, for how long, and which track was whose."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from scipy.optimize import linear_sum_assignment

from agent.boxes import as_array, pairwise_iou
from agent.domain import Track
from models.evaluation.counting.playing import WINDOW_S, Look, Played
from models.evaluation.walks import Kind, Sight

VISIBLE: Final = 0.5
"""Share of a face that must be seen."""
LEAST_S: Final = 1.0
"""Somebody who is to be seen for less in all is nobody whom anyone could count."""
LEAST_IN_WINDOW_S: Final = 0.5
"""Likewise in one window, of those who are in several."""
SAME_PLACE: Final = 0.3
"""Overlap (IoU) from which a track lies on a face."""


@dataclass(frozen=True, slots=True)
class Presence:
    """How long each person is to be seen."""

    seconds: dict[int, float]
    """Of those whom one can count."""
    by_window: tuple[frozenset[int], ...]
    """Who is in each window."""


def find_presence(played: Played) -> Presence:
    """The truth about people; pictures of people are none."""
    totals: defaultdict[int, float] = defaultdict(float)
    windows: list[defaultdict[int, float]] = [defaultdict(float) for _ in played.windows]
    for look, lasts_s in _with_duration(sorted((*played.looks, *played.passed_over), key=lambda x: x.now_s)):
        for sight in look.sights:
            if sight.kind is Kind.person and sight.visible >= VISIBLE:
                totals[sight.number] += lasts_s
                windows[min(int(look.now_s / WINDOW_S), len(windows) - 1)][sight.number] += lasts_s
    seconds = {number: float(lasted_s) for number, lasted_s in totals.items() if lasted_s >= LEAST_S}
    return Presence(
        seconds,
        tuple(
            frozenset(
                number
                for number, lasted_s in window.items()
                if number in seconds and lasted_s >= LEAST_IN_WINDOW_S
            )
            for window in windows
        ),
    )


@dataclass(frozen=True, slots=True)
class Followed:
    """One track."""

    seconds: float
    """For which it was observed."""
    whose: int | None
    """The face it lay on for most of the time; None where it lay on none."""
    kind: Kind | None
    """Of that face."""


def find_owners(looks: Sequence[Look]) -> dict[int, Followed]:
    """Every track that was observed at least once, by its number."""
    lay_on: defaultdict[int, defaultdict[int, float]] = defaultdict(lambda: defaultdict(float))
    seconds: defaultdict[int, float] = defaultdict(float)
    kinds: dict[int, Kind] = {}
    for look, lasts_s in _with_duration(looks):
        observed = [track for track in look.tracks if track.observed]
        for track in observed:
            seconds[track.track_id] += lasts_s
        for track, sight in same_place(observed, [sight for sight in look.sights if sight.visible > 0.0]):
            lay_on[track.track_id][sight.number] += lasts_s
            kinds[sight.number] = sight.kind
    owners = {}
    for number, lasted_s in seconds.items():
        on_faces = lay_on[number]
        most = max(on_faces, key=on_faces.__getitem__, default=None)
        whose = most if most is not None and on_faces[most] >= 0.5 * lasted_s else None
        owners[number] = Followed(float(lasted_s), whose, None if whose is None else kinds[whose])
    return owners


def same_place(tracks: Sequence[Track], sights: Sequence[Sight]) -> list[tuple[Track, Sight]]:
    """Pairs that overlap, so that the overlaps' sum is the greatest."""
    if not tracks or not sights:
        return []
    overlap = pairwise_iou(as_array([t.box for t in tracks]), as_array([s.box for s in sights]))
    rows, columns = linear_sum_assignment(np.where(overlap >= SAME_PLACE, overlap, 0.0), maximize=True)
    return [
        (tracks[row], sights[column])
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        if overlap[row, column] >= SAME_PLACE
    ]


def _with_duration(looks: Sequence[Look]) -> Iterator[tuple[Look, float]]:
    """Each with the time until the next."""
    for look, following in pairwise(looks):
        yield look, following.now_s - look.now_s
