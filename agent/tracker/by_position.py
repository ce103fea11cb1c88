"""The tracker stage: the same face from frame to frame, by position and time alone.

Nothing is remembered of how a face looks, so somebody who leaves and comes back is a new track. Times are
seconds, not frames: the camera's rate varies, and the detector may run on every n-th frame only.

A track is *tentative* until ``confirm_hits`` detections of ``confirm_score`` or better matched it, then
*confirmed* and returned, either observed or coasting, and forgotten once no detection has matched it for
``max_coast_ms``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent.domain import Box, Face, Track
from agent.tracker.association import Expectation, associate
from agent.tracker.motion import Motion

if TYPE_CHECKING:
    from agent.settings import TrackerSettings

_TENTATIVE_MISSES: Final = 1
"""Detector runs a tentative track may miss in a row. One, so that a face that flickers while it comes into
view still counts; more would let unrelated ghosts add up to a person."""

_LONGEST_UNCHECKED_S: Final = 2.5
"""A track that the detector has not had the chance to miss is matched once more up to this age, even
beyond ``max_coast_ms``: otherwise a slow box that looks every 1.2 s would never follow anybody. After a
longer silence of the camera whoever stands there counts as somebody new."""

_MOST_TRACKS: Final = 500
"""Bound on memory and time; faces beyond it wait until others are forgotten."""

_FARTHEST_PX: Final = 1e6
"""Coordinates beyond this come from no camera; keeping them out keeps areas and overlaps finite."""


@dataclass(slots=True)
class _Followed:
    """The changing state behind one track."""

    face: Face
    """The latest match."""
    motion: Motion
    track_id: int | None = None
    """None while tentative."""
    hits: int = 0
    """Matches good enough to confirm."""
    misses: int = 0
    """Detector runs in a row without a match."""

    def age_s(self, now_s: float) -> float:
        """Seconds since the latest match."""
        return max(0.0, now_s - self.motion.seen_at_s)


class PositionTracker:
    """Follows the faces of one source. Not thread-safe."""

    def __init__(self, settings: TrackerSettings) -> None:
        self._settings = settings
        self._max_coast_s = settings.max_coast_ms / 1_000.0
        self._followed: list[_Followed] = []
        self._next_id = 1

    def update(self, faces: Sequence[Face], now_s: float) -> list[Track]:
        """See :meth:`agent.tracker.seam.Tracker.update`.

        A box that is empty, not finite or beyond a million pixels is passed over.
        """
        self._forget_unmatchable(now_s)
        usable = [face for face in faces if _is_usable(face.box)]
        unmatched = self._match(usable, now_s)
        self._followed = [entry for entry in self._followed if not self._is_over(entry, now_s)]
        free = max(0, _MOST_TRACKS - len(self._followed))
        for face in unmatched[:free]:
            entry = _Followed(face, Motion(face.box, now_s))
            self._confirm_if_due(entry)
            self._followed.append(entry)
        return self._confirmed(now_s, detected=True)

    def coast(self, now_s: float) -> list[Track]:
        """See :meth:`agent.tracker.seam.Tracker.coast`."""
        return self._confirmed(now_s, detected=False)

    def _match(self, faces: Sequence[Face], now_s: float) -> list[Face]:
        """Hand the faces to the tracks they continue, and return the rest."""
        expected = [
            Expectation(entry.motion.predicted(now_s), entry.motion.reach_px(now_s), entry.misses > 0)
            for entry in self._followed
        ]
        for entry in self._followed:
            entry.misses += 1
        pairs = associate(expected, [face.box for face in faces], self._settings.match_iou)
        for track_index, face_index in pairs:
            entry, face = self._followed[track_index], faces[face_index]
            entry.motion.correct(face.box, now_s)
            entry.face = face
            entry.misses = 0
            self._confirm_if_due(entry)
        matched = {face_index for _, face_index in pairs}
        return [face for index, face in enumerate(faces) if index not in matched]

    def _confirm_if_due(self, entry: _Followed) -> None:
        # Two thresholds, as in ByteTrack (Zhang et al. 2022): what stays doubtful never counts, but a face
        # that has been seen well is followed through weaker detections.
        entry.hits += entry.face.score >= self._settings.confirm_score
        # Numbers are given on confirmation, so ghosts use none up and ids ascend in order of appearance.
        if entry.track_id is None and entry.hits >= self._settings.confirm_hits:
            entry.track_id = self._next_id
            self._next_id += 1

    def _forget_unmatchable(self, now_s: float) -> None:
        """Drop what no detection of this moment may continue any more."""
        self._followed = [
            entry
            for entry in self._followed
            if entry.age_s(now_s)
            <= (self._max_coast_s if entry.misses else max(self._max_coast_s, _LONGEST_UNCHECKED_S))
        ]

    def _is_over(self, entry: _Followed, now_s: float) -> bool:
        """Whether this detector run missed it for too long, or too early in its life."""
        if entry.misses == 0:
            return False
        if entry.track_id is None and entry.misses > _TENTATIVE_MISSES:
            return True
        return self._max_coast_s <= 0.0 or entry.age_s(now_s) > self._max_coast_s

    def _confirmed(self, now_s: float, *, detected: bool) -> list[Track]:
        tracks = [
            _snapshot(entry.track_id, entry, now_s, detected=detected)
            for entry in self._followed
            if entry.track_id is not None and (detected or entry.age_s(now_s) <= self._max_coast_s)
        ]
        return sorted(tracks, key=lambda track: track.track_id)


def _snapshot(track_id: int, entry: _Followed, now_s: float, *, detected: bool) -> Track:
    face = entry.face
    matched = entry.misses == 0
    if detected and matched:
        return Track(track_id, face.box, face.score, observed=True, emotion_scores=face.emotion_scores)
    return Track(track_id, entry.motion.predicted(now_s), face.score, observed=matched)


def _is_usable(box: Box) -> bool:
    """Whether the box encloses an area that a camera could have delivered; false for NaN too."""
    return (
        -_FARTHEST_PX <= box.left < box.right <= _FARTHEST_PX
        and -_FARTHEST_PX <= box.top < box.bottom <= _FARTHEST_PX
    )
