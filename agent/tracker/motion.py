"""Where a face will be next: a constant-velocity estimate of one box, in time rather than in frames."""

from __future__ import annotations

from math import sqrt
from typing import Final

from agent.domain import Box

_VELOCITY_MEMORY_S: Final = 0.15
"""Time constant of the velocity's smoothing. Detector jitter of a pixel is tens of pixels per second at
30 frames a second and next to nothing at 2, so the weight of one measurement grows with its interval."""

_LONGEST_EXTRAPOLATION_S: Final = 1.0
"""A hidden face is expected to stop after this long: people do, and an old velocity says little."""

_SHORTEST_INTERVAL_S: Final = 1e-3
"""Two detections closer in time than this tell nothing about speed."""

_FASTEST_SIZES_PER_S: Final = 15.0
"""Faces are about 0.2 m high and people run at 3 m/s at most; anything faster is a wrong match."""

_REACH_SIZES: Final = 0.5
_REACH_KNOWN_SIZES_PER_S: Final = 2.0
_REACH_KNOWN_MOST_SIZES: Final = 1.5
_REACH_NEW_SIZES_PER_S: Final = 8.0
_REACH_NEW_MOST_SIZES: Final = 4.0
"""How far from its predicted centre a face is still looked for, in face sizes. A walking person covers
seven or eight face sizes per second, which is what a face of unknown velocity may have moved; once the
velocity is known only its error and a change of pace remain."""

_SMALLEST_SIZE_PX: Final = 1.0


class Motion:
    """The last seen box of one face and how fast its centre moves. All positions are in frame pixels."""

    __slots__ = ("_box", "_intervals", "_size_px", "_speed_x", "_speed_y", "seen_at_s")

    def __init__(self, box: Box, now_s: float) -> None:
        self._box = box
        self._size_px = _size_px(box)
        self.seen_at_s = now_s
        """Monotonic seconds of the last correction."""
        self._speed_x = 0.0
        self._speed_y = 0.0
        self._intervals = 0

    def predicted(self, now_s: float) -> Box:
        """The box moved on at constant velocity, for one second at most; its size stays as last seen."""
        ahead_s = min(max(0.0, now_s - self.seen_at_s), _LONGEST_EXTRAPOLATION_S)
        across = self._speed_x * ahead_s
        down = self._speed_y * ahead_s
        box = self._box
        return Box(box.left + across, box.top + down, box.right + across, box.bottom + down)

    def reach_px(self, now_s: float) -> float:
        """Distance from the predicted centre within which this face may be, were it not to overlap."""
        elapsed_s = max(0.0, now_s - self.seen_at_s)
        if self._intervals:
            sizes = min(_REACH_SIZES + _REACH_KNOWN_SIZES_PER_S * elapsed_s, _REACH_KNOWN_MOST_SIZES)
        else:
            sizes = min(_REACH_SIZES + _REACH_NEW_SIZES_PER_S * elapsed_s, _REACH_NEW_MOST_SIZES)
        return sizes * self._size_px

    def correct(self, box: Box, now_s: float) -> None:
        """Take over the box detected at ``now_s`` and learn the velocity from the way it came."""
        elapsed_s = now_s - self.seen_at_s
        if elapsed_s >= _SHORTEST_INTERVAL_S:
            self._learn_velocity(box, elapsed_s)
            self.seen_at_s = now_s
        self._box = box
        self._size_px = _size_px(box)

    def _learn_velocity(self, box: Box, elapsed_s: float) -> None:
        self._intervals += 1
        # The running mean makes the first few measurements count alike; afterwards the memory decides.
        weight = max(elapsed_s / (elapsed_s + _VELOCITY_MEMORY_S), 1.0 / self._intervals)
        last = self._box
        fastest = _FASTEST_SIZES_PER_S * self._size_px
        per_s = 0.5 / elapsed_s
        speed_x = (box.left + box.right - last.left - last.right) * per_s
        speed_y = (box.top + box.bottom - last.top - last.bottom) * per_s
        self._speed_x += weight * (max(-fastest, min(fastest, speed_x)) - self._speed_x)
        self._speed_y += weight * (max(-fastest, min(fastest, speed_y)) - self._speed_y)


def _size_px(box: Box) -> float:
    """Side of the square of equal area; at least one pixel."""
    return max(_SMALLEST_SIZE_PX, sqrt(box.area))
