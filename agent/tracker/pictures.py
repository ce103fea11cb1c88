"""Faces that are no people because they never live: pictures on a wall.

They are known by their stillness. Somebody who sits or sleeps breathes, which moves the head by a
hundredth of its size every few seconds; a poster's box trembles from frame to frame alone, without any
swing slower than that. So within each half minute the median places of its seconds are held against what
the trembling from one look to the next explains (the idea of von Neumann's ratio, 1941): a swing beyond it
is life, whatever the camera's noise or its mast do. After five minutes without life a face is a picture and
no longer counts; as soon as it stirs it counts again.

The place is remembered, so that passers-by or a dark night make nobody new of it: place, size and time of at
most ``_MOST_PLACES`` still faces, in memory only, for three days.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from math import hypot, sqrt
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from agent.domain import Box

_BLOCK_S: Final = 30.0
_FEWEST_SAMPLES: Final = 60
"""Of a block that can be judged, however long they take to come together."""
_STAYED_SAMPLES: Final = 40
"""Ten seconds at one place: it may go on there after the dark."""
_BLOCKS: Final = 10
"""Without life, one after the other: five minutes."""
_SMALLEST_SWING: Final = 0.004
"""Standard deviation in sizes that is taken for none: under a millimetre of a head."""
_BEYOND_CHANCE: Final = 1.6
"""So many times what the trembling explains is a swing."""
_SMALLEST_SHIFT: Final = 0.02
_SURELY: Final = 4.0
"""A shift by so many sizes, or by so many standard deviations of a block's place, is life too."""
_OF_MEDIAN: Final = 1.25
"""Standard deviation of a median by that of a mean."""
_OF_DEVIATION: Final = 1.4826
"""Standard deviation by median absolute deviation, of a bell curve."""
_SAME_PLACE: Final = 0.1
_SAME_SIZE: Final = 1.15
"""How near, in sizes, and how like in size a face must be to be the one that was there."""
_STEPPED: Final = 0.25
"""Whoever is so far from the place, in sizes, is somebody else or no picture."""
_MOST_PLACES: Final = 200
_REMEMBERED_S: Final = 3.0 * 86_400.0
_UNSURE_S: Final = 3_600.0
"""For how long a place is remembered that is no picture yet."""


@dataclass(slots=True)
class _Place:
    """Where a face is, and for how long without life."""

    across_px: float
    down_px: float
    size_px: float
    seen_s: float
    samples: list[tuple[float, float, float]] = field(default_factory=list)
    """Seconds, across, down."""
    still_blocks: int = 0

    @property
    def is_picture(self) -> bool:
        return self.still_blocks >= _BLOCKS

    def is_here(self, across_px: float, down_px: float, size_px: float) -> bool:
        """Whether a face that has just come may be the one that was here."""
        away = hypot(across_px - self.across_px, down_px - self.down_px) / self.size_px
        return away <= _SAME_PLACE and 1.0 / _SAME_SIZE <= size_px / self.size_px <= _SAME_SIZE


class Pictures:
    """Tells, by the number of a track, whether it lies on a picture. Not thread-safe."""

    def __init__(self) -> None:
        self._places: list[_Place] = []
        """Those without a track."""
        self._held: dict[int, _Place] = {}
        """By the number of the track that lies there."""

    def observe(self, seen: Collection[tuple[int, Box]], now_s: float) -> None:
        """Note where the observed tracks are; call a few times a second."""
        for number, box in seen:
            self._note(number, box, now_s)

    def is_picture(self, number: int) -> bool:
        """Whether the track lies on a picture."""
        place = self._held.get(number)
        return place is not None and place.is_picture

    def forget(self, live: Collection[int], now_s: float) -> None:
        """Let go of all other tracks; where one was still, the place is remembered."""
        gone = self._held.keys() - live
        if not gone:
            return
        for number in gone:
            place = self._held.pop(number)
            if place.still_blocks or len(place.samples) >= _STAYED_SAMPLES:
                self._places.append(place)
        self._places = [
            place
            for place in self._places
            if now_s - place.seen_s <= (_REMEMBERED_S if place.is_picture else _UNSURE_S)
        ][-_MOST_PLACES:]

    def _note(self, number: int, box: Box, now_s: float) -> None:
        across, down = (box.left + box.right) / 2.0, (box.top + box.bottom) / 2.0
        size = max(1.0, sqrt(box.area))
        place = self._held.get(number)
        if place is None:
            place = self._held[number] = self._known(across, down, size) or _Place(across, down, size, now_s)
        place.seen_s = now_s
        if hypot(across - place.across_px, down - place.down_px) > _STEPPED * place.size_px:
            self._held[number] = _Place(across, down, size, now_s)
            return
        place.samples.append((now_s, across, down))
        if len(place.samples) >= _FEWEST_SAMPLES and now_s - place.samples[0][0] >= _BLOCK_S:
            block = judge(np.array(place.samples), size)
            stayed = hypot(block.across_px - place.across_px, block.down_px - place.down_px) <= block.slack_px
            place.samples = []
            if block.still and (stayed or not place.still_blocks):
                place.still_blocks = min(_BLOCKS, place.still_blocks + 1)
            else:
                place.still_blocks = 0
            if place.still_blocks <= 1:
                place.across_px, place.down_px, place.size_px = block.across_px, block.down_px, size

    def _known(self, across_px: float, down_px: float, size_px: float) -> _Place | None:
        """The remembered place of a face that has just come, which is no longer free then."""
        for place in self._places:
            if place.is_here(across_px, down_px, size_px):
                self._places.remove(place)
                return place
        return None


@dataclass(frozen=True, slots=True)
class Block:
    """Half a minute of one face."""

    still: bool
    """No swing slower than its trembling."""
    across_px: float
    down_px: float
    slack_px: float
    """How far from there it may be in another half minute without having moved."""


def judge(samples: NDArray[np.float64], size_px: float) -> Block:
    """Look for life in N×3 samples (seconds, across, down) of a face of this size.

    Some samples may lie elsewhere: somebody passed before it. All figures are medians.
    """
    seconds = np.floor(samples[:, 0] - samples[0, 0]).astype(np.intp)
    starts = np.flatnonzero(np.diff(seconds, prepend=-1))
    places = samples[:, 1:] / size_px
    medians = np.array([np.median(part, axis=0) for part in np.split(places, starts[1:])])
    middle = np.median(medians, axis=0)
    swing = _OF_DEVIATION * np.median(np.abs(medians - middle), axis=0)
    trembling = _OF_DEVIATION * np.median(np.abs(np.diff(places, axis=0)), axis=0) / sqrt(2.0)
    explained = _OF_MEDIAN * trembling / sqrt(len(samples) / len(medians))
    still = bool((swing <= np.maximum(_SMALLEST_SWING, _BEYOND_CHANCE * explained)).all())
    slack = max(_SMALLEST_SHIFT, _SURELY * float(explained.max()) / sqrt(len(medians)))
    return Block(still, float(middle[0]) * size_px, float(middle[1]) * size_px, slack * size_px)
