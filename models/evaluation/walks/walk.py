"""One scene from its first moment to its last: pictures, and what is to be seen in each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.data import LabelledPhoto, Portrait
from models.evaluation.walks.actors import HEIGHT_PX, WIDTH_PX, Actor, Sight, look, pose
from models.evaluation.walks.drawing import Painter
from models.evaluation.walks.scenarios import Scenario, stage_scenario

_DIM: Final = 0.2
_TREMBLE_PX: Final = 1.5
_KNOCK_PX: Final = 28.0
_KNOCK_EVERY_S: Final = 15.0
_MOST_AFTER_S: Final = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """One frame and the truth about it."""

    now_s: float
    """From the walk's beginning."""
    pixels: NDArray[np.uint8]
    """H×W×3 uint8 BGR; the same array is drawn anew each time."""
    sights: tuple[Sight, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """A scene whose people have been sent on their ways."""

    scenario: Scenario
    actors: tuple[Actor, ...]
    duration_s: float
    wall: NDArray[np.uint8]
    seed: int

    @property
    def label_of(self) -> dict[int, str]:
        """Expression by the number of the person."""
        return {actor.number: actor.head.label for actor in self.actors}

    def moments(self) -> Iterator[Moment]:
        """Every frame at the camera's rate, until the last has gone or a minute after the end."""
        camera = self.scenario.camera
        painter = Painter(self.wall, self.seed)
        shift = _Shift(self.seed)
        upcoming = sorted(self.actors, key=lambda actor: float(actor.path.times_s[0]), reverse=True)
        here: list[Actor] = []
        end_s = max(
            self.duration_s, max((float(actor.path.times_s[-1]) for actor in self.actors), default=0.0)
        )
        for index in range(int(min(end_s, self.duration_s + 60.0) * camera.fps)):
            now_s = index / camera.fps
            while upcoming and upcoming[-1].path.times_s[0] <= now_s:
                here.append(upcoming.pop())
            here = [actor for actor in here if actor.path.times_s[-1] >= now_s]
            moved = shift.at(now_s) if camera.shaken else (0.0, 0.0)
            present = pose(here, now_s, moved)
            pillars = self.scenario.pillars
            dimmed = camera.dims_every_s is not None and int(now_s / camera.dims_every_s) % 2 == 1
            pixels = painter.paint(present, pillars, moved, _DIM if dimmed else 1.0)
            if camera.jpeg_quality is not None:
                packed = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, camera.jpeg_quality])[1]
                pixels = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
            yield Moment(now_s, pixels, tuple(look(present, pillars)))


class _Shift:
    """How far a camera on a trembling pole is off, with a knock now and then that fades within a second."""

    def __init__(self, seed: int) -> None:
        self._chance = np.random.default_rng([seed, 1])
        self._knocked_s = float("-inf")
        self._next_s = float(self._chance.exponential(_KNOCK_EVERY_S))
        self._push = np.zeros(2)

    def at(self, now_s: float) -> tuple[float, float]:
        if now_s >= self._next_s:
            self._knocked_s = now_s
            self._next_s = now_s + float(self._chance.exponential(_KNOCK_EVERY_S))
            self._push = self._chance.uniform(-_KNOCK_PX, _KNOCK_PX, 2)
        left = max(0.0, 1.0 - (now_s - self._knocked_s))
        off = self._chance.normal(0.0, _TREMBLE_PX, 2) + left * np.cos(12.0 * (1.0 - left)) * self._push
        return float(off[0]), float(off[1])


def make_walk(
    scenario: Scenario,
    cast: Sequence[Portrait],
    scenes: Sequence[LabelledPhoto],
    people: int,
    seed: int,
) -> Walk:
    """Send about ``people`` people through a scene before a wall without faces.

    Raises:
        ValueError: No photo of ``scenes`` is without faces.
    """
    empty = [photo.pixels for photo in scenes if not len(photo.faces) and not len(photo.ignored)]
    if not empty:
        raise ValueError("a walk needs photos without faces to take place before")
    actors, duration_s = stage_scenario(scenario, cast, people, seed)
    wall = cv2.resize(empty[seed % len(empty)], (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)
    return Walk(scenario, tuple(actors), duration_s, np.asarray(wall, np.uint8), seed)
