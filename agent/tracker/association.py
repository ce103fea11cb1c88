"""Which detection continues which track, from boxes alone.

Greedy, best pair first, over one list of admissible pairs. The optimal assignment would need SciPy or a
solver of our own, and differs from the greedy one only where two faces compete for two tracks at similar
overlap; there the higher overlap is the better evidence anyway, while the optimal sum may trade one sure
match for two doubtful ones.

Overlap goes before nearness, because two boxes that overlap are rarely two people, while at two frames a
second a walking face has left its old box altogether: the centre-distance gate then finds it again.
SORT (Bewley et al. 2016) is the same idea without that gate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from agent.boxes import areas, as_array, pairwise_iou

if TYPE_CHECKING:
    from agent.domain import Box

_COASTING_FACTOR: Final = 0.75
"""A track missed last time yields to one that was there: at the moment two faces cross, the hidden one is
predicted right on top of the visible one and would take its detection by a hair."""

_MOST_SIZE_RATIO: Final = 2.0
"""Between two looks a face does not grow or shrink by more than this, measured on its side."""

_OVERLAP_TIER: Final = 1.0
_SMALLEST_AREA_PX2: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is known of one track before looking at the new faces."""

    box: Box
    """Predicted, in frame pixels."""
    reach_px: float
    """Largest distance between predicted and detected centre that counts as near; above 0."""
    coasting: bool
    """Whether the last detector run missed this track."""


def associate(
    expected: Sequence[Expectation], faces: Sequence[Box], match_iou: float
) -> list[tuple[int, int]]:
    """Pair tracks with faces; each index occurs at most once.

    Args:
        expected: One entry per track. Coordinates are finite.
        faces: Detected boxes in frame pixels. Coordinates are finite.
        match_iou: Overlap from which two boxes are the same face, in (0, 1).

    Returns:
        Pairs ``(track index, face index)``, best first.
    """
    if not expected or not faces:
        return []
    affinity = _affinities(expected, as_array(faces), match_iou)
    rows, columns = np.nonzero(affinity > 0.0)
    best_first = np.argsort(-affinity[rows, columns], kind="stable")
    pairs: list[tuple[int, int]] = []
    taken_tracks: set[int] = set()
    taken_faces: set[int] = set()
    for track, face in zip(rows[best_first].tolist(), columns[best_first].tolist(), strict=True):
        if track not in taken_tracks and face not in taken_faces:
            taken_tracks.add(track)
            taken_faces.add(face)
            pairs.append((track, face))
    return pairs


def _affinities(
    expected: Sequence[Expectation], faces: NDArray[np.float64], match_iou: float
) -> NDArray[np.float64]:
    """T×F: above 1 for overlapping pairs, in (0, 1] for near ones, 0 for inadmissible ones."""
    tracks = as_array([entry.box for entry in expected])
    reach = np.array([[entry.reach_px] for entry in expected])
    trust = np.array([[_COASTING_FACTOR if entry.coasting else 1.0] for entry in expected])
    overlap = pairwise_iou(tracks, faces)
    nearness = 1.0 - _centre_distance(tracks, faces) / reach
    near = np.where(_similar_size(tracks, faces), np.maximum(nearness, 0.0), 0.0) * trust
    affinity: NDArray[np.float64] = np.where(overlap >= match_iou, _OVERLAP_TIER + overlap * trust, near)
    return affinity


def _centre_distance(tracks: NDArray[np.float64], faces: NDArray[np.float64]) -> NDArray[np.float64]:
    """T×F pixels."""
    track_centres = (tracks[:, :2] + tracks[:, 2:]) / 2.0
    face_centres = (faces[:, :2] + faces[:, 2:]) / 2.0
    apart = track_centres[:, None, :] - face_centres[None, :, :]
    distance: NDArray[np.float64] = np.hypot(apart[..., 0], apart[..., 1])
    return distance


def _similar_size(tracks: NDArray[np.float64], faces: NDArray[np.float64]) -> NDArray[np.bool_]:
    """T×F: whether the areas differ by less than the square of the largest ratio of sides."""
    of_tracks = np.maximum(areas(tracks), _SMALLEST_AREA_PX2)[:, None]
    of_faces = np.maximum(areas(faces), _SMALLEST_AREA_PX2)[None, :]
    most = _MOST_SIZE_RATIO**2
    similar: NDArray[np.bool_] = (of_tracks <= of_faces * most) & (of_faces <= of_tracks * most)
    return similar
