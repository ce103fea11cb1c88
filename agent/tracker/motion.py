"""Where faces will be next, all of them at once, in time rather than in frames.

A Kalman filter for each face with one covariance for both axes. The velocity fades as it does when people
stop (an Ornstein-Uhlenbeck process; Singer 1970 has the same of the acceleration), so that somebody hidden
is not expected ever farther away. Distances are in face sizes, which makes the figures hold near and far.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_JITTER: Final = 0.08
"""Standard deviation of a detected centre, in sizes."""
_WANDER: Final = 2.0
"""How fast a velocity becomes unsure: variance a second, in sizes squared a second squared."""
_FIRST_SPEED: Final = 2.5
"""Standard deviation of the speed of a face that was seen once, in sizes a second: faces are about 0.22 m
high, and people stroll past at half a metre a second and hurry by at more than one."""
_FADES_IN_S: Final = 2.0
"""After which a velocity is expected to be a third of what it was."""
_SHORTEST_S: Final = 1e-3
"""Two detections closer in time tell nothing about speed."""

_SIZE_MEMORY_S: Final = 0.2
_LEAST_SHARE: Final = 0.3
"""Of a new size in the smoothed one, however soon it comes."""

Vector = NDArray[np.float64]


class Motions:
    """One row per face; rows keep their order. Positions are in frame pixels, times in monotonic seconds."""

    __slots__ = ("_covariance", "centres", "seen_at_s", "sizes", "velocities")

    def __init__(self) -> None:
        self.centres: Vector = np.empty((0, 2))
        self.velocities: Vector = np.empty((0, 2))
        """Pixels a second."""
        self.sizes: Vector = np.empty(0)
        """Side of the square of the box's area, smoothed: a face half hidden is no smaller."""
        self.seen_at_s: Vector = np.empty(0)
        self._covariance: Vector = np.empty((0, 3))
        """Of place, of place and speed, of speed; in sizes and seconds."""

    def __len__(self) -> int:
        return len(self.sizes)

    def predicted(self, now_s: float) -> tuple[Vector, Vector]:
        """N×2 centres at ``now_s``, and N variances of a detection around them in pixels squared."""
        way_s, covariance = self._ahead(now_s)[:2]
        centres = self.centres + self.velocities * way_s[:, None]
        return centres, (covariance[:, 0] + _JITTER**2) * self.sizes**2

    def correct(self, rows: NDArray[np.intp], boxes: Vector, now_s: float) -> None:
        """Take over K×4 boxes that were detected at ``now_s`` and learn from the way they came."""
        way_s, covariance, kept = (part[rows] for part in self._ahead(now_s))
        centres, sizes = measures(boxes)
        predicted = self.centres[rows] + self.velocities[rows] * way_s[:, None]
        certain = covariance[:, 0] + _JITTER**2
        gains = covariance[:, :2] / certain[:, None]
        off = centres - predicted
        told = (now_s - self.seen_at_s[rows] >= _SHORTEST_S)[:, None]
        self.centres[rows] = np.where(told, predicted + gains[:, :1] * off, centres)
        velocities = self.velocities[rows] * kept[:, None] + gains[:, 1:] * off
        self.velocities[rows] = np.where(told, velocities, self.velocities[rows])
        covariance[:, 2] -= gains[:, 1] * covariance[:, 1]
        covariance[:, :2] *= 1.0 - gains[:, :1]
        self._covariance[rows] = np.where(told, covariance, self._covariance[rows])
        share = np.maximum(_LEAST_SHARE, 1.0 - np.exp((self.seen_at_s[rows] - now_s) / _SIZE_MEMORY_S))
        self.sizes[rows] += share * (sizes - self.sizes[rows])
        self.seen_at_s[rows] = np.maximum(now_s, self.seen_at_s[rows])

    def add(self, boxes: Vector, now_s: float) -> None:
        """Begin K rows with K×4 boxes, at rest, of unknown speed."""
        centres, sizes = measures(boxes)
        unknown = np.tile([_JITTER**2, 0.0, _FIRST_SPEED**2], (len(boxes), 1))
        self.centres = np.concatenate([self.centres, centres])
        self.velocities = np.concatenate([self.velocities, np.zeros_like(centres)])
        self.sizes = np.concatenate([self.sizes, sizes])
        self.seen_at_s = np.concatenate([self.seen_at_s, np.full(len(boxes), now_s)])
        self._covariance = np.concatenate([self._covariance, unknown])

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Forget all others."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name)[rows])

    def _ahead(self, now_s: float) -> tuple[Vector, Vector, Vector]:
        """Seconds of the present velocity that are still to come, N×3 covariance, share of velocity left."""
        elapsed_s = np.maximum(0.0, now_s - self.seen_at_s)
        kept = np.exp(elapsed_s / -_FADES_IN_S)
        way_s = _FADES_IN_S * (1.0 - kept)
        place, both, speed = self._covariance.T
        wander = _WANDER * elapsed_s
        covariance = np.stack(
            [
                place + way_s * (2.0 * both + way_s * speed) + wander * elapsed_s**2 / 3.0,
                kept * (both + way_s * speed) + wander * elapsed_s / 2.0,
                kept**2 * speed + wander,
            ],
            axis=1,
        )
        return way_s, covariance, kept


def measures(boxes: Vector) -> tuple[Vector, Vector]:
    """K×2 centres and K sizes of K×4 boxes."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return (boxes[:, :2] + boxes[:, 2:]) / 2.0, np.maximum(1.0, np.sqrt(sides[:, 0] * sides[:, 1]))
