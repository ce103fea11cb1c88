"""How people come, stay and go in each scene; every function sends them onto a stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from models.evaluation.walks.actors import WIDTH_PX, Kind
from models.evaluation.walks.stage import Spot, Stage

_DEPTHS: Final = ((120.0, 48.0, 60.0), (160.0, 62.0, 80.0), (205.0, 84.0, 105.0), (260.0, 108.0, 135.0))
"""Centre down, least and most face height: the nearer, the larger and the lower."""


def strollers(stage: Stage, mean_gap_s: float) -> None:
    """People cross either way at any depth; a third of them pause."""
    for start_s in stage.arrivals(mean_gap_s):
        down, low, high = _DEPTHS[stage.chance.integers(len(_DEPTHS))]
        pauses = stage.coin(1.0 / 3.0)
        stage.cross(
            start_s,
            down + stage.between(-12.0, 12.0),
            stage.between(low, high),
            rightwards=stage.coin(),
            sizes_per_s=stage.between(1.2, 4.0),
            pause=(stage.between(0.25, 0.75), stage.between(2.0, 8.0)) if pauses else None,
        )


def sparse(stage: Stage) -> None:
    """One or two in view."""
    strollers(stage, 4.0)


def busy(stage: Stage) -> None:
    """About seven in view."""
    strollers(stage, 0.9)


def even(stage: Stage) -> None:
    """About four in view, for what the camera does to a scene."""
    strollers(stage, 1.8)


def opposite_lanes(stage: Stage) -> None:
    """Two lanes: the nearer one walks the other way and hides the farther one."""
    for down, low, high, rightwards in ((165.0, 58.0, 72.0, True), (195.0, 74.0, 90.0, False)):
        for start_s in stage.arrivals(1.8, 0.7):
            height = stage.between(low, high)
            pace = stage.between(1.4, 3.2)
            stage.cross(start_s, down + stage.between(-8, 8), height, rightwards=rightwards, sizes_per_s=pace)


def same_lane(stage: Stage) -> None:
    """All one way in one lane, some faster than others."""
    for start_s in stage.arrivals(1.1, 0.5):
        pace = stage.between(1.4, 3.2)
        height = stage.between(64.0, 84.0)
        stage.cross(start_s, 180.0 + stage.between(-10, 10), height, rightwards=True, sizes_per_s=pace)


def queue(stage: Stage) -> None:
    """A line that moves up whenever the foremost is served and leaves; the front is nearest."""
    places = [(560.0 - 84.0 * place, 150.0 + 13.0 * place, 58.0 + 7.0 * place) for place in range(6)]
    served_s = np.cumsum(stage.chance.uniform(3.0, 7.0, int(stage.duration_s / 5.0) + 8))
    last = len(places) - 1
    for number in range(len(served_s) - last):
        # Whoever is number n moves up one place whenever somebody before is served.
        moves = served_s[number : number + last + 1]
        join_s = float(moves[0]) - stage.between(1.5, 3.0)
        size = stage.between(0.92, 1.08)
        spots: list[Spot] = [(join_s - 2.0, WIDTH_PX + 60.0, places[0][1], places[0][2] * size)]
        for place, (across, down, height) in enumerate(places):
            here_s = join_s if place == 0 else float(moves[place - 1]) + 0.9 + 0.15 * (last - place)
            until_s = max(here_s + 0.2, float(moves[place]) + 0.15 * (last - place))
            spots += [(here_s, across, down, height * size), (until_s, across, down, height * size)]
        spots.append((spots[-1][0] + 1.6, -80.0, places[-1][1] + 10.0, places[-1][2] * size))
        stage.send(_ascending(spots))


def groups(stage: Stage) -> None:
    """They come within seconds of each other, stand together, move about once, and go."""
    for start_s in stage.arrivals(45.0, 20.0):
        stay_s = stage.between(15.0, 40.0)
        middle = stage.between(200.0, 440.0)
        from_left = stage.coin()
        for member in range(int(stage.chance.integers(3, 6))):
            down, low, high = _DEPTHS[stage.chance.integers(1, 3)]
            height = stage.between(low, high)
            edge = -0.8 * height if from_left else WIDTH_PX + 0.8 * height
            here = middle + (member - 2) * stage.between(55.0, 90.0)
            moved = here + stage.between(-70.0, 70.0)
            begin_s = start_s + 0.5 * member
            leave_s = begin_s + 3.0 + stay_s + stage.between(-2.0, 2.0)
            half_s = (begin_s + 3.0 + leave_s) / 2.0
            stage.send(
                [
                    (begin_s, edge, down, height),
                    (begin_s + 3.0, here, down, height),
                    (half_s, here, down, height),
                    (half_s + 1.5, moved, down, height),
                    (leave_s, moved, down, height),
                    (leave_s + 2.5, WIDTH_PX - edge, down, height),
                ]
            )


def turners(stage: Stage) -> None:
    """They stay, look away one to three times for up to four seconds, and go."""
    for start_s in stage.arrivals(5.0):
        down, low, high = _DEPTHS[stage.chance.integers(len(_DEPTHS))]
        height, here, stay_s = stage.between(low, high), stage.between(80.0, 560.0), stage.between(12.0, 25.0)
        turned: list[tuple[float, float]] = []
        free_s = start_s + 4.0
        for _ in range(int(stage.chance.integers(1, 4))):
            away_s = free_s + stage.between(0.5, 3.0)
            free_s = away_s + stage.between(0.5, 4.0)
            turned.append((away_s, free_s))
        leave_s = max(start_s + 2.5 + stay_s, free_s + 1.0)
        edge = -0.8 * height if here < WIDTH_PX / 2 else WIDTH_PX + 0.8 * height
        stage.send(
            [
                (start_s, edge, down, height),
                (start_s + 2.5, here, down, height),
                (leave_s, here, down, height),
                (leave_s + 2.5, edge, down, height),
            ],
            tuple(turned),
        )


def returners(stage: Stage) -> None:
    """They step out of the picture once or twice for up to three seconds and come back where they left."""
    for start_s in stage.arrivals(6.0):
        down, low, high = _DEPTHS[stage.chance.integers(len(_DEPTHS))]
        height = stage.between(low, high)
        left = stage.coin()
        edge, here = -0.8 * height, stage.between(80.0, 260.0)
        spots: list[Spot] = [(start_s, edge, down, height)]
        now_s = start_s
        for _ in range(int(stage.chance.integers(2, 4))):
            walk_s = (here - edge) / (stage.between(1.5, 3.0) * height)
            stay_s, away_s = stage.between(3.0, 8.0), stage.between(0.4, 3.0)
            spots += [(now_s + walk_s, here, down, height), (now_s + walk_s + stay_s, here, down, height)]
            spots.append((now_s + 2.0 * walk_s + stay_s, edge, down, height))
            now_s = spots[-1][0] + away_s
            spots.append((now_s, edge, down, height))
        walk = spots[:-1] if left else [(at, WIDTH_PX - x, y, size) for at, x, y, size in spots[:-1]]
        stage.send(walk)


def approaching(stage: Stage) -> None:
    """From far away, past the camera."""
    for start_s in stage.arrivals(2.5, 0.6):
        stage.approach(start_s, stage.between(4.0, 9.0))


def crowd(stage: Stage) -> None:
    """One person more every few seconds up to thirty, who sit in rows; then they go one by one."""
    rows = [(100.0 + 62.0 * row, 30.0 + 9.0 * row, 16) for row in range(2)]
    seats = [
        (28.0 + 39.0 * seat + 18.0 * row, down, height)
        for row, (down, height, count) in enumerate(rows)
        for seat in range(count - row)
    ][:30]
    step_s = stage.duration_s / (2.0 * len(seats))
    for place, number in enumerate(stage.chance.permutation(len(seats)).tolist()):
        across, down, height = seats[number]
        size = height * stage.between(0.92, 1.08)
        edge = -30.0 if across < WIDTH_PX / 2 else WIDTH_PX + 30.0
        come_s = place * step_s
        go_s = stage.duration_s - (len(seats) - place) * step_s * 0.5
        stage.send(
            [
                (come_s, edge, down, size),
                (come_s + 4.0, across, down, size),
                (max(go_s, come_s + 8.0), across, down, size),
                (max(go_s, come_s + 8.0) + 4.0, edge, down, size),
            ]
        )


def posters(stage: Stage) -> None:
    """Three pictures on the wall, before which people pass."""
    for across, down, height in ((110.0, 90.0, 60.0), (330.0, 75.0, 80.0), (540.0, 110.0, 48.0)):
        still = [(0.0, across, down, height), (stage.duration_s + 60.0, across, down, height)]
        stage.send(still, kind=Kind.poster, sway=0.0)
    strollers(stage, 9.0)


def printed(stage: Stage) -> None:
    """Every third wears a face on the chest."""
    for start_s in stage.arrivals(3.0):
        down, low, high = _DEPTHS[stage.chance.integers(1, len(_DEPTHS))]
        height = stage.between(low, high)
        wearer = stage.cross(
            start_s,
            down,
            height,
            rightwards=stage.coin(),
            sizes_per_s=stage.between(1.0, 3.0),
            pause=(stage.between(0.3, 0.7), stage.between(1.0, 5.0)),
        )
        if stage.coin(1.0 / 3.0):
            printed = stage.between(0.5, 0.8)
            spots = [
                (at, across, down + 1.75 * size, printed * size)
                for at, (across, down, size) in zip(
                    wearer.path.times_s.tolist(), wearer.path.places_px.tolist(), strict=True
                )
            ]
            # As near as the wearer and a hair nearer.
            stage.send(spots, kind=Kind.print, phase=wearer.path.phase, nearness=1.01 / printed)


def sleeper(stage: Stage) -> None:
    """One sits and hardly moves, breathing, and shifts every minute or two; others pass."""
    across, down, height = 420.0, 200.0, 88.0
    spots: list[Spot] = [(0.0, -60.0, down, height), (4.0, across, down, height)]
    now_s = 4.0
    while now_s < stage.duration_s:
        now_s += stage.between(40.0, 110.0)
        place = (across + stage.between(-7.0, 7.0), down + stage.between(-4.0, 6.0), height)
        spots += [(now_s, *spots[-1][1:]), (now_s + 0.8, *place)]
    stage.send(spots, sway=0.012)
    strollers(stage, 20.0)


def _ascending(spots: Sequence[Spot]) -> list[Spot]:
    """Each a little later than the one before, whatever chance made of them."""
    ordered = [spots[0]]
    for at, across, down, height in spots[1:]:
        ordered.append((max(at, ordered[-1][0] + 0.05), across, down, height))
    return ordered
