"""The tracker stage: the same face from frame to frame, by position and time alone.

Nothing is remembered of how a face looks. Times are seconds, not frames: the camera's rate varies, and the
detector may run on every n-th frame only.

A track is *tentative* until good detections have matched it for ``confirm_ms``, then *confirmed*, and is
returned, either observed or coasting, until no detection has matched it for ``max_coast_ms``. Then it is
*lost*: for some seconds more, a track that is just being confirmed may turn out to continue it
(:mod:`agent.tracker.linking`) and takes its number. What turns out to be a picture of somebody
(:mod:`agent.tracker.pictures`, :mod:`agent.tracker.prints`) is followed on, but told no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from agent.boxes import as_array
from agent.domain import Box, Face, Track
from agent.tracker.association import assign, costs
from agent.tracker.linking import REMEMBERED_S, End, Traffic, entered_at, left_at, odds, return_odds
from agent.tracker.motion import Motions, measures
from agent.tracker.pictures import Pictures
from agent.tracker.prints import Prints

if TYPE_CHECKING:
    from agent.settings import TrackerSettings

_TENTATIVE_S: Final = 0.35
"""A tentative track may be missed this long, so that a face that flickers while it comes into view still
counts; more would let unrelated ghosts add up to a person."""
_TENTATIVE_MISSES: Final = 1
"""And for so many detector runs, however slow they are."""
_WEAK: Final = 0.55
"""Detections below this only continue a track that no better one continues."""
_LONGEST_UNCHECKED_S: Final = 2.5
"""A track that the detector has not had the chance to miss is matched once more up to this age, even
beyond ``max_coast_ms``: otherwise a slow box that looks every 1.2 s would never follow anybody."""
_ROUNDING_S: Final = 1e-9
_LOOK_FOR_PICTURES_S: Final = 0.25
_MOST_TRACKS: Final = 500
"""Bound on memory and time; faces beyond it wait until others are forgotten."""
_FARTHEST_PX: Final = 1e6
"""Coordinates beyond this come from no camera; keeping them out keeps areas and overlaps finite."""


@dataclass(slots=True)
class _Followed:
    """The changing state behind one track; how it moves is in the row of the same number in ``Motions``."""

    serial: int
    """Of all that were ever followed, ghosts included."""
    face: Face
    """The latest match."""
    begun_s: float
    track_id: int | None = None
    """None while tentative."""
    hits: int = 0
    """Matches good enough to confirm."""
    misses: int = 0
    """Detector runs in a row without a match."""


class PositionTracker:
    """Follows the faces of one source. Not thread-safe."""

    def __init__(self, settings: TrackerSettings) -> None:
        self._settings = settings
        self._max_coast_s = settings.max_coast_ms / 1_000.0
        self._confirm_s = settings.confirm_ms / 1_000.0
        self._followed: list[_Followed] = []
        self._motions = Motions()
        self._lost: list[tuple[int, End]] = []
        self._traffic = Traffic()
        self._pictures = Pictures()
        self._prints = Prints()
        self._pictures_due_s = 0.0
        self._next_id = 1
        self._next_serial = 1

    def update(self, faces: Sequence[Face], picture_px: tuple[int, int], now_s: float) -> list[Track]:
        """See :meth:`agent.tracker.seam.Tracker.update`.

        A box that is empty, not finite or beyond a million pixels is passed over.
        """
        self._lost = [lost for lost in self._lost if now_s - lost[1].at_s <= REMEMBERED_S]
        self._retire(picture_px, now_s)
        usable = [face for face in faces if _is_usable(face.box)]
        boxes = as_array([face.box for face in usable]).reshape(-1, 4)
        new = self._match(usable, boxes, now_s)
        self._retire(picture_px, now_s)
        self._begin([usable[row] for row in new], boxes[new], now_s)
        self._look_for_pictures(now_s)
        self._confirm(picture_px, now_s)
        return self._tracks(now_s, detected=True)

    def coast(self, now_s: float) -> list[Track]:
        """See :meth:`agent.tracker.seam.Tracker.coast`."""
        return self._tracks(now_s, detected=False)

    def _match(self, faces: Sequence[Face], boxes: NDArray[np.float64], now_s: float) -> list[int]:
        """Hand the faces to the tracks they continue, and return the rows of the rest."""
        missed = np.array([entry.misses > 0 for entry in self._followed], np.bool_)
        for entry in self._followed:
            entry.misses += 1
        if not self._followed or not faces:
            return list(range(len(faces)))
        expected, variances = self._motions.predicted(now_s)
        unseen_s = np.maximum(0.0, now_s - self._motions.seen_at_s)
        cost = costs(expected, variances, self._motions.sizes, unseen_s, missed, measures(boxes))
        weak = np.array([face.score < _WEAK for face in faces])
        pairs = assign(np.where(weak, np.inf, cost))
        if weak.any():
            cost[[track for track, _ in pairs]] = np.inf
            pairs += assign(np.where(weak, cost, np.inf))
        if pairs:
            tracks, found = (np.array(side, np.intp) for side in zip(*pairs, strict=True))
            self._motions.correct(tracks, boxes[found], now_s)
        for track, row in pairs:
            entry, face = self._followed[track], faces[row]
            entry.face, entry.misses = face, 0
            entry.hits += face.score >= self._settings.confirm_score
        matched = {row for _, row in pairs}
        return [row for row in range(len(faces)) if row not in matched]

    def _begin(self, faces: Sequence[Face], boxes: NDArray[np.float64], now_s: float) -> None:
        free = max(0, _MOST_TRACKS - len(self._followed))
        if not faces[:free]:
            return
        for face in faces[:free]:
            hits = int(face.score >= self._settings.confirm_score)
            self._followed.append(_Followed(self._next_serial, face, now_s, hits=hits))
            self._next_serial += 1
        self._motions.add(boxes[:free], now_s)

    def _confirm(self, picture_px: tuple[int, int], now_s: float) -> None:
        """Number whoever was seen well for long enough: anew, or as the one they turn out to be."""
        for entry in list(self._followed):
            if entry.track_id is not None or not self._is_due(entry, now_s):
                continue
            found = self._sight(self._followed.index(entry))
            entry.track_id = self._known_number(entry.begun_s, found, picture_px)
            if entry.track_id is None:
                # Numbers are given on confirmation, so ghosts use none up, and ids ascend.
                entry.track_id = self._next_id
                self._next_id += 1

    def _is_due(self, entry: _Followed, now_s: float) -> bool:
        long_enough = now_s - entry.begun_s >= self._confirm_s - _ROUNDING_S
        well_seen = entry.misses == 0 and entry.hits >= self._settings.confirm_hits
        return well_seen and long_enough and not self._prints.may_be_print(entry.serial)

    def _known_number(self, begun_s: float, found: End, picture_px: tuple[int, int]) -> int | None:
        """That of the likeliest track that was lost or is being missed, and is no more; None if none is."""
        missed = [
            row for row, other in enumerate(self._followed) if other.misses and other.track_id is not None
        ]
        ends = [lost for _, lost in self._lost] + [self._sight(row) for row in missed]
        edge = entered_at(found, begun_s, picture_px)
        if edge:
            chances = [return_odds(end, found, begun_s, picture_px, self._traffic) for end in ends]
            together = sum(map(exp, chances))
            self._traffic.note_arrival(edge, together / (1.0 + together), found.at_s)
        else:
            chances = [odds(end, found, begun_s, picture_px) for end in ends]
        best = max(range(len(ends)), key=chances.__getitem__, default=None)
        if best is None or chances[best] <= 0.0:
            return None
        if best < len(self._lost):
            return self._lost.pop(best)[0]
        row = missed[best - len(self._lost)]
        number = self._followed[row].track_id
        self._remove([row])
        return number

    def _look_for_pictures(self, now_s: float) -> None:
        """Four times a second at most."""
        if now_s < self._pictures_due_s:
            return
        self._pictures_due_s = now_s + _LOOK_FOR_PICTURES_S
        seen = [entry for entry in self._followed if not entry.misses]
        self._prints.observe([(entry.serial, entry.face.box) for entry in seen])
        self._prints.forget({entry.serial for entry in self._followed})
        numbered = [(entry.track_id, entry.face.box) for entry in seen if entry.track_id is not None]
        self._pictures.observe(numbered, now_s)
        live = {number for number, _ in self._lost}
        live |= {entry.track_id for entry in self._followed if entry.track_id is not None}
        self._pictures.forget(live, now_s)

    def _retire(self, picture_px: tuple[int, int], now_s: float) -> None:
        """Take out what was missed for too long, or too early in its life."""
        unseen_s = (now_s - self._motions.seen_at_s).tolist()
        over = [row for row, entry in enumerate(self._followed) if self._is_over(entry, unseen_s[row])]
        if over:
            for row in over:
                if (number := self._followed[row].track_id) is not None:
                    self._lost.append((number, self._sight(row)))
                    if left_at(self._lost[-1][1], picture_px):
                        self._traffic.note_left()
            self._lost = self._lost[-_MOST_TRACKS:]
            self._remove(over)

    def _is_over(self, entry: _Followed, unseen_s: float) -> bool:
        if entry.misses == 0:
            return unseen_s > max(self._max_coast_s, _LONGEST_UNCHECKED_S)
        if entry.track_id is None:
            return entry.misses > _TENTATIVE_MISSES and unseen_s > _TENTATIVE_S
        return unseen_s > self._max_coast_s

    def _remove(self, rows: Sequence[int]) -> None:
        kept = np.ones(len(self._followed), np.bool_)
        kept[rows] = False
        self._followed = [entry for entry, stays in zip(self._followed, kept.tolist(), strict=True) if stays]
        self._motions.keep(kept)

    def _sight(self, row: int) -> End:
        """Where and how fast a track was when it was seen last."""
        motions = self._motions
        across, down = motions.centres[row].tolist()
        speed_across, speed_down = motions.velocities[row].tolist()
        seen_at_s, size = float(motions.seen_at_s[row]), float(motions.sizes[row])
        return End(seen_at_s, across, down, size, speed_across, speed_down)

    def _tracks(self, now_s: float, *, detected: bool) -> list[Track]:
        """Everybody confirmed by ascending number."""
        tracks: list[Track] = []
        centres: list[list[float]] | None = None
        for row, entry in enumerate(self._followed):
            if (
                entry.track_id is None
                or self._pictures.is_picture(entry.track_id)
                or self._prints.is_print(entry.serial)
            ):
                continue
            face, matched = entry.face, entry.misses == 0
            if detected and matched:
                tracks.append(Track(entry.track_id, face.box, face.score, True, face.emotion_scores))  # noqa: FBT003 - 50 a frame
                continue
            if not detected and now_s - float(self._motions.seen_at_s[row]) > self._max_coast_s:
                continue
            if centres is None:
                centres = self._motions.predicted(now_s)[0].tolist()
            (across, down), half_width, half_height = (
                centres[row],
                face.box.width / 2.0,
                face.box.height / 2.0,
            )
            box = Box(across - half_width, down - half_height, across + half_width, down + half_height)
            tracks.append(Track(entry.track_id, box, face.score, observed=matched))
        return sorted(tracks, key=lambda track: track.track_id)


def _is_usable(box: Box) -> bool:
    """Whether the box encloses an area that a camera could have delivered; false for NaN too."""
    return (
        -_FARTHEST_PX <= box.left < box.right <= _FARTHEST_PX
        and -_FARTHEST_PX <= box.top < box.bottom <= _FARTHEST_PX
    )
