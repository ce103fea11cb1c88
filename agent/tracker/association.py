"""Which detection continues which track, from place and size alone.

The likelihood of a detection is a Gaussian around where its track is expected, as wide as the track's
uncertainty: a walking face at two frames a second is found far from its old box, and one that stands is not
looked for elsewhere. This does what enlarged boxes do (C-BIoU, Yang et al. 2023), with the enlargement
learnt from the motion. Strong detections choose first, the weak ones take what is left over (ByteTrack,
Zhang et al. 2022).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from agent.tracker.motion import Vector

_GATE: Final = 7.0
"""Squared distance in standard deviations beyond which a detection is somebody else."""
_SIZE_JITTER: Final = 0.18
"""Standard deviation of the logarithm of a detected size."""
_SIZE_GROWTH: Final = 0.4
"""What is added to it a second: people come nearer."""
_COASTING: Final = 2.0
"""A track missed last time yields to one that was there: at the moment two faces cross, the hidden one is
predicted right on top of the visible one and would take its detection by a hair."""


def costs(  # noqa: PLR0917 - one figure of each track after the other
    expected: Vector,
    variances: Vector,
    sizes: Vector,
    unseen_s: Vector,
    missed: NDArray[np.bool_],
    faces: tuple[Vector, Vector],
) -> Vector:
    """T×F: twice the negative logarithm of each pair's likelihood, infinite where it can't be.

    Args:
        expected: T×2 centres in pixels.
        variances: T, of a detection around them in pixels squared.
        sizes: T, in pixels.
        unseen_s: T, since the last match.
        missed: T, whether the latest detector run saw nothing there.
        faces: F×2 centres and F sizes.
    """
    centres, shown = faces
    across = expected[:, :1] - centres[:, 0]
    down = expected[:, 1:] - centres[:, 1]
    grown = np.log(shown / sizes[:, None])
    loose = _SIZE_JITTER**2 + (_SIZE_GROWTH * unseen_s) ** 2
    away = (across**2 + down**2) / variances[:, None] + grown**2 / loose[:, None]
    unsure = np.log(variances / sizes**2) * 2.0 + _COASTING * missed
    return np.where(away < _GATE, away + unsure[:, None], np.inf)


def assign(cost: Vector) -> list[tuple[int, int]]:
    """Pairs of row and column, each used at most once, cheapest first; infinite costs never.

    Greedy: the optimal assignment changed no count in seven scenes of ``models evaluate --protocol count``.
    """
    rows, columns = np.nonzero(np.isfinite(cost))
    order = np.argsort(cost[rows, columns], kind="stable")
    taken_rows: set[int] = set()
    taken_columns: set[int] = set()
    pairs: list[tuple[int, int]] = []
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in taken_rows and column not in taken_columns:
            taken_rows.add(row)
            taken_columns.add(column)
            pairs.append((row, column))
    return pairs
