"""Who is where: paths through the picture, and how much of each face the camera sees of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.domain import Box
from models.evaluation.walks.cast import Head

WIDTH_PX: Final = 640
HEIGHT_PX: Final = 480
HEAD_RADII: Final = 0.6
"""Half axes of a head, as a share of its face's width and height."""
SHOULDERS_AT: Final = 0.72
"""Below the face's centre, in face heights; down to the picture's lower edge nothing behind is seen."""
SHOULDERS_WIDE: Final = 0.95
"""To either side of the centre, in face widths."""
_GAIT_HZ: Final = 1.8
_GAIT: Final = 0.03
_SWAY_HZ: Final = 0.23
_CORNER_S: Final = 0.25
_GRID: Final = np.stack(np.meshgrid(np.linspace(-0.4, 0.4, 5), np.linspace(-0.4, 0.4, 5)), -1).reshape(-1, 2)
"""Points of a face at which it is asked whether something lies before it, in face sizes from its centre."""


class Kind(StrEnum):
    """What a face is worth."""

    person = "person"
    poster = "poster"
    """A picture on the wall."""
    print = "print"
    """A picture on somebody's clothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """Where a face's centre is and how high the face, by time; straight between the given moments."""

    times_s: NDArray[np.float64]
    places_px: NDArray[np.float64]
    """K×3: centre across, centre down, face height."""
    turned_s: tuple[tuple[float, float], ...] = ()
    """Stretches in which only hair is to be seen."""
    sway: float = 0.04
    """How far somebody who stands moves about, in face heights."""
    phase: float = 0.0

    def at(self, now_s: float) -> NDArray[np.float64] | None:
        """Centre across, centre down and height in pixels; None before the path and after."""
        if not self.times_s[0] <= now_s <= self.times_s[-1]:
            return None
        # Nobody stops dead: the mean of where they were, are and will be rounds every corner off.
        instants = now_s + _CORNER_S * np.array([-1.0, 0.0, 1.0])
        ways = np.stack([np.interp(instants, self.times_s, column) for column in self.places_px.T], axis=1)
        place = np.array([0.25, 0.5, 0.25]) @ ways
        height = place[2]
        speed = float(np.hypot(*(ways[2] - ways[0])[:2])) / (2.0 * _CORNER_S * height)
        turn = 2.0 * np.pi * now_s
        place[0] += self.sway * height * np.sin(_SWAY_HZ * turn + self.phase)
        place[1] += min(1.0, speed) * _GAIT * height * np.sin(_GAIT_HZ * turn + self.phase)
        place[1] += 0.5 * self.sway * height * np.sin(0.61 * _SWAY_HZ * turn + 2.0 * self.phase)
        return np.asarray(place)

    def turned(self, now_s: float) -> bool:
        """Whether the face looks away."""
        return any(start <= now_s < end for start, end in self.turned_s)


@dataclass(frozen=True, slots=True, eq=False)
class Actor:
    """One face and its way."""

    number: int
    kind: Kind
    head: Head
    path: Path
    clothes: tuple[int, int, int] | None = None
    """Colour of the body below, BGR; None where there is none."""
    nearness: float = 1.0
    """Times the face's height: who stands before whom."""


@dataclass(frozen=True, slots=True)
class Posed:
    """One actor at one moment."""

    actor: Actor
    box: Box
    """Of the face, in frame pixels, though it be outside or hidden."""
    turned: bool


@dataclass(frozen=True, slots=True)
class Sight:
    """What the camera sees of one face."""

    number: int
    kind: Kind
    box: Box
    visible: float
    """Share of the face in [0, 1] that lies in the picture with nothing before it; 0 when turned away."""


def pose(actors: Sequence[Actor], now_s: float, shift_px: tuple[float, float]) -> list[Posed]:
    """Everybody present, farthest first; ``shift_px`` is how far the camera has been pushed."""
    present = []
    for actor in actors:
        if (place := actor.path.at(now_s)) is None:
            continue
        across, down, height = float(place[0] + shift_px[0]), float(place[1] + shift_px[1]), float(place[2])
        half = 0.5 * height * actor.head.aspect
        box = Box(across - half, down - 0.5 * height, across + half, down + 0.5 * height)
        present.append(Posed(actor, box, actor.path.turned(now_s)))
    # Pictures hang behind everybody.
    return sorted(
        present,
        key=lambda posed: (posed.actor.kind is not Kind.poster, posed.actor.nearness * posed.box.height),
    )


def look(present: Sequence[Posed], pillars: Sequence[Box]) -> list[Sight]:
    """How much is seen of each face; nearer heads and bodies, pillars and the picture's edges hide."""
    sights = []
    for index, posed in enumerate(present):
        box = posed.box
        centre = np.array([(box.left + box.right) / 2.0, (box.top + box.bottom) / 2.0])
        points = centre + _GRID * (box.width, box.height)
        clear = ((points >= 0.0) & (points < (WIDTH_PX, HEIGHT_PX))).all(axis=1)
        for pillar in pillars:
            clear &= ~_inside(points, pillar)
        for nearer in present[index + 1 :]:
            clear &= ~_hidden_by(points, nearer)
        visible = 0.0 if posed.turned else float(clear.mean())
        sights.append(Sight(posed.actor.number, posed.actor.kind, box, visible))
    return sights


def _hidden_by(points: NDArray[np.float64], posed: Posed) -> NDArray[np.bool_]:
    box = posed.box
    centre = ((box.left + box.right) / 2.0, (box.top + box.bottom) / 2.0)
    away = (points - centre) / (HEAD_RADII * box.width, HEAD_RADII * box.height)
    hidden = (away**2).sum(axis=1) < 1.0
    if posed.actor.clothes is not None:
        reach = SHOULDERS_WIDE * box.width
        top = centre[1] + SHOULDERS_AT * box.height
        hidden |= _inside(points, Box(centre[0] - reach, top, centre[0] + reach, HEIGHT_PX))
    return np.asarray(hidden)


def _inside(points: NDArray[np.float64], box: Box) -> NDArray[np.bool_]:
    across, down = points[:, 0], points[:, 1]
    return np.asarray((box.left <= across) & (across < box.right) & (box.top <= down) & (down < box.bottom))
