"""What a tally notes of each face that was followed: when, how large, where it came and went; no pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from agent.domain import Box

if TYPE_CHECKING:
    from agent.domain import Face, Track
    from agent.pipeline import Step
    from agent.tracker import Tracker

_MOVED_HEIGHTS: Final = 0.1
"""Between two looks, for the frame between them not to be that of a still scene."""
_NEAR_HEIGHTS: Final = 1.5
"""Between two looks at what may become a track."""
_DOUBT_LASTS_S: Final = 1.0
_DOUBTFUL_LOOKS: Final = 2
"""A detection that is never repeated is noise, and nobody could have counted it."""


@dataclass(slots=True)
class Sighting:
    """One track, from its first look to its latest; times are monotonic seconds, boxes frame pixels."""

    began_s: float
    ended_s: float
    first: Box
    last: Box
    heights_px: list[float] = field(default_factory=list)
    voted: bool = False
    """Whether it would have been counted."""


@dataclass(slots=True)
class _Doubt:
    """A face that is not a track yet, and may never be."""

    box: Box
    seen_at_s: float
    looks: int = 1


class Lookout:
    """Stands in a tracker's place and takes notes; for one pipeline, on its thread."""

    def __init__(self, *, expressions: bool = True) -> None:
        self._expressions = expressions
        self.sightings: dict[int, Sighting] = {}
        self.doubtful = 0
        """Faces that were seen more than once and never became a track."""
        self.moving_s: list[float] = []
        """Between two looks, while a face moved."""
        self.frames = 0
        self.looks = 0
        """Frames in which faces were looked for."""
        self.tier = 0
        self.frame_px = (0, 0)
        """Width and height."""
        self._tracker: Tracker | None = None
        self._doubts: list[_Doubt] = []
        self._looked_at_s: float | None = None

    def over(self, tracker: Tracker) -> Tracker:
        """Take notes of this one."""
        self._tracker = tracker
        return self

    def update(self, faces: Sequence[Face], picture_px: tuple[int, int], now_s: float) -> list[Track]:
        """As the tracker answers."""
        tracks = self._watched.update(faces, picture_px, now_s)
        self.frame_px = picture_px
        seen = [track for track in tracks if track.observed]
        moved = [self._note(track, now_s) for track in seen]
        if any(moved) and self._looked_at_s is not None:
            self.moving_s.append(now_s - self._looked_at_s)
        self._looked_at_s = now_s
        followed = {track.box for track in seen}
        self._doubt([face.box for face in faces if face.box not in followed], now_s)
        return tracks

    def coast(self, now_s: float) -> list[Track]:
        """As the tracker answers."""
        return self._watched.coast(now_s)

    def stepped(self, step: Step) -> None:
        """Note what came of a frame."""
        self.frames += 1
        self.looks += step.detected
        self.tier = step.tier
        # Where no expression is inferred, whoever is observed counts.
        for counted in step.readings if self._expressions else step.tracks:
            if counted.track_id in self.sightings:
                self.sightings[counted.track_id].voted = True

    @property
    def _watched(self) -> Tracker:
        if self._tracker is None:
            raise ValueError("nothing to look over: call over() first")
        return self._tracker

    def _note(self, track: Track, now_s: float) -> bool:
        """Whether the face has moved since it was seen last."""
        box = track.box
        sighting = self.sightings.get(track.track_id)
        if sighting is None:
            self._doubts = [doubt for doubt in self._doubts if not _near(doubt.box, box)]
            sighting = self.sightings[track.track_id] = Sighting(now_s, now_s, box, box)
        moved = apart_px(sighting.last, box) > _MOVED_HEIGHTS * box.height
        sighting.ended_s, sighting.last = now_s, box
        sighting.heights_px.append(box.height)
        return moved

    def _doubt(self, boxes: Sequence[Box], now_s: float) -> None:
        for box in boxes:
            near = [doubt for doubt in self._doubts if doubt.seen_at_s < now_s and _near(doubt.box, box)]
            if near:
                doubt = min(near, key=lambda doubt: apart_px(doubt.box, box))
                doubt.box, doubt.seen_at_s, doubt.looks = box, now_s, doubt.looks + 1
            else:
                self._doubts.append(_Doubt(box, now_s))
        over = [doubt for doubt in self._doubts if now_s - doubt.seen_at_s > _DOUBT_LASTS_S]
        self.doubtful += sum(doubt.looks >= _DOUBTFUL_LOOKS for doubt in over)
        self._doubts = [doubt for doubt in self._doubts if now_s - doubt.seen_at_s <= _DOUBT_LASTS_S]


def apart_px(one: Box, other: Box) -> float:
    """Distance of the centres along the axis in which it is larger, in pixels."""
    across = one.left + one.right - other.left - other.right
    down = one.top + one.bottom - other.top - other.bottom
    return max(abs(across), abs(down)) / 2.0


def _near(one: Box, other: Box) -> bool:
    return apart_px(one, other) <= _NEAR_HEIGHTS * max(one.height, other.height)
