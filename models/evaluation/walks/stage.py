"""Sends people on their ways: the handful of movements that all scenes are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from models.data import Portrait
from models.evaluation.walks.actors import HEIGHT_PX, WIDTH_PX, Actor, Kind, Path
from models.evaluation.walks.cast import Head, cut_head

Spot = tuple[float, float, float, float]
"""Seconds, then centre across, centre down and face height in pixels."""
_MARGIN: Final = 0.8
"""Ways begin and end so many face heights outside of the picture."""


class Stage:
    """Holds the actors of one walk while they are made up.

    Args:
        cast: Portraits of whoever may come; each comes again only when all have been.
        duration_s: Ways may end after it; nobody starts after it.
        seed: Of everything.
    """

    def __init__(self, cast: Sequence[Portrait], duration_s: float, seed: int) -> None:
        self.chance = np.random.default_rng(seed)
        self.duration_s = duration_s
        self.actors: list[Actor] = []
        self._cast = cast
        self._order = self.chance.permutation(len(cast))
        self._heads: dict[int, Head] = {}

    def between(self, low: float, high: float) -> float:
        """A number drawn evenly."""
        return float(self.chance.uniform(low, high))

    def coin(self, share: float = 0.5) -> bool:
        """True in that share of all throws."""
        return bool(self.chance.random() < share)

    def arrivals(self, mean_gap_s: float, least_gap_s: float = 0.3) -> Iterator[float]:
        """Moments at which somebody comes, at random but for the least gap."""
        now_s = self.between(0.0, mean_gap_s)
        while now_s < self.duration_s:
            yield now_s
            now_s += least_gap_s + float(self.chance.exponential(max(0.01, mean_gap_s - least_gap_s)))

    def send(
        self,
        spots: Sequence[Spot],
        turned_s: tuple[tuple[float, float], ...] = (),
        *,
        kind: Kind = Kind.person,
        sway: float = 0.04,
        phase: float | None = None,
        nearness: float = 1.0,
    ) -> Actor:
        """Somebody new, or a picture of somebody, on the way through these spots; times ascend."""
        number = len(self.actors)
        table = np.array(spots, np.float64)
        drawn = self.between(0.0, 2.0 * np.pi)
        path = Path(table[:, 0], table[:, 1:], turned_s, sway, drawn if phase is None else phase)
        red, green, blue = self.chance.integers(20, 200, 3).tolist()
        clothes = (blue, green, red) if kind is Kind.person else None
        self.actors.append(Actor(number, kind, self._head(number), path, clothes, nearness))
        return self.actors[-1]

    def cross(
        self,
        start_s: float,
        down_px: float,
        height_px: float,
        *,
        rightwards: bool,
        sizes_per_s: float,
        pause: tuple[float, float] | None = None,
    ) -> Actor:
        """Across the picture at so many face heights a second.

        ``pause`` is where, as a share of the way, and for how many seconds.
        """
        outside = _MARGIN * height_px
        ends = (-outside, WIDTH_PX + outside) if rightwards else (WIDTH_PX + outside, -outside)
        speed = sizes_per_s * height_px
        way_s = abs(ends[1] - ends[0]) / speed
        spots = [(start_s, ends[0], down_px, height_px)]
        if pause is not None:
            at = start_s + pause[0] * way_s
            across = ends[0] + pause[0] * (ends[1] - ends[0])
            spots += [(at, across, down_px, height_px), (at + pause[1], across, down_px, height_px)]
        spots.append((start_s + way_s + (pause[1] if pause else 0.0), ends[1], down_px, height_px))
        return self.send(spots)

    def approach(self, start_s: float, seconds: float) -> Actor:
        """From far away towards the camera, and past it on one side."""
        from_px, side = self.between(0.25, 0.75) * WIDTH_PX, self.chance.choice((-1.0, 1.0))
        far, near = self.between(16.0, 22.0), self.between(130.0, 190.0)
        spots: list[Spot] = []
        # Walked at an even pace, a face grows as one over the distance.
        for share in np.linspace(0.0, 1.0, 12):
            height = far * near / (near + share * (far - near))
            grown = (height - far) / (near - far)
            across = from_px + grown * (side * 0.35 * WIDTH_PX)
            spots.append((start_s + share * seconds, across, (0.3 + 0.2 * grown) * HEIGHT_PX, height))
        gone = (start_s + seconds + 1.0, WIDTH_PX * (0.5 + side * 0.5) + side * near, spots[-1][2], near)
        return self.send([*spots, gone])

    def _head(self, number: int) -> Head:
        index = int(self._order[number % len(self._order)])
        if index not in self._heads:
            self._heads[index] = cut_head(self._cast[index])
        return self._heads[index]
