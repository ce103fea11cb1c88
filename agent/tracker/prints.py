"""Faces on clothing: they hang below the face of whoever wears them, and go where that face goes.

Two things tell them from a second person. A smaller face is farther away, and whoever is farther away is
hidden by a nearer body: a face that is much smaller than the one it is seen right below can only be on it.
And two people who walk don't keep their places to each other to a few hundredths of a face.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from agent.boxes import as_array

if TYPE_CHECKING:
    from agent.domain import Box

_ASIDE: Final = 0.8
_BELOW: Final = (0.9, 3.0)
"""How far from the face above, in its widths and heights, a chest may be."""
_SMALLER: Final = 1.0
"""Nothing larger is worn."""
_MUCH_SMALLER: Final = 0.8
"""Than the face above: a child who stands before somebody is nearer, and so hardly smaller."""
_SAMPLES: Final = 8
"""Of a pair that are looked at together: two seconds."""
_UNSEEN: Final = 4
"""Looks that may miss one of them: a second."""
_RIGID: Final = 0.08
"""Standard deviation of the place below, in sizes of the face above, that a torso allows."""
_WALKED: Final = 1.0
"""Sizes that the wearer must have gone for the places to tell anything."""


@dataclass(slots=True)
class _Pair:
    """One face below another."""

    offsets: list[tuple[float, float]] = field(default_factory=list)
    """Of the lower from the upper, in the upper's widths and heights."""
    ratios: list[float] = field(default_factory=list)
    ways: list[tuple[float, float]] = field(default_factory=list)
    """Where the upper was, in its own sizes."""
    unseen: int = 0
    """Looks in a row that missed one of them."""


class Prints:
    """Tells whether a face is worn by another, by numbers that the caller gives. Not thread-safe."""

    def __init__(self) -> None:
        self._pairs: dict[tuple[int, int], _Pair] = {}
        self._worn: set[int] = set()

    def observe(self, seen: Sequence[tuple[int, Box]]) -> None:
        """Hold the places of all that are seen against each other; call four times a second."""
        self._pairs = {key: pair for key, pair in self._pairs.items() if pair.unseen < _UNSEEN}
        for pair in self._pairs.values():
            pair.unseen += 1
        if len(seen) < 2:  # noqa: PLR2004 - a pair
            return
        boxes = as_array([box for _, box in seen])
        sides, centres = boxes[:, 2:] - boxes[:, :2], (boxes[:, :2] + boxes[:, 2:]) / 2.0
        offsets = (centres[None, :, :] - centres[:, None, :]) / sides[:, None, :]
        ratios = sides[None, :, 1] / sides[:, None, 1]
        below = (np.abs(offsets[..., 0]) <= _ASIDE) & (ratios <= _SMALLER)
        below &= (offsets[..., 1] >= _BELOW[0]) & (offsets[..., 1] <= _BELOW[1])
        for upper, lower in np.argwhere(below).tolist():
            key = seen[upper][0], seen[lower][0]
            pair = self._pairs.setdefault(key, _Pair())
            pair.unseen = 0
            pair.offsets.append(tuple(offsets[upper, lower].tolist()))
            pair.ratios.append(float(ratios[upper, lower]))
            pair.ways.append(tuple((centres[upper] / sides[upper]).tolist()))
            if len(pair.offsets) > _SAMPLES:
                del pair.offsets[0], pair.ratios[0], pair.ways[0]
            if len(pair.offsets) == _SAMPLES and _is_worn(pair):
                self._worn.add(key[1])

    def is_print(self, number: int) -> bool:
        """Whether it is a face on clothing."""
        return number in self._worn

    def may_be_print(self, number: int) -> bool:
        """Whether it is one, or hangs where one would and was not looked at for long enough."""
        return number in self._worn or any(
            lower == number and len(pair.offsets) < _SAMPLES for (_, lower), pair in self._pairs.items()
        )

    def forget(self, live: Collection[int]) -> None:
        """Let go of all others."""
        self._worn.intersection_update(live)


def _is_worn(pair: _Pair) -> bool:
    if float(np.median(pair.ratios)) <= _MUCH_SMALLER:
        return True
    walked = float(np.ptp(np.array(pair.ways), axis=0).max())
    return walked >= _WALKED and bool((np.std(np.array(pair.offsets), axis=0) <= _RIGID).all())
