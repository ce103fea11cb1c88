"""The plain data that stages hand to one another: no pixels, no NumPy, no behaviour beyond geometry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

Json: TypeAlias = "Mapping[str, Json] | Sequence[Json] | str | float | bool | None"
"""What goes to ``json.dumps`` in the end."""

EMOTIONS: Final = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
)
"""The eight FER+ expression classes, in the order of every score vector in this project."""

UNKNOWN: Final = "unknown"
"""Published when no class reaches the calibrated confidence."""

LABELS: Final = (*EMOTIONS, UNKNOWN)
"""Keys of a published ``counts`` object, in order."""

LARGEST_PICTURE_PX: Final = 12_000_000
"""Width times height; larger ones are refused by their header, before they take their memory."""


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned rectangle in frame pixels; right and bottom are exclusive edges."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Pixels; never negative."""
        return max(0.0, self.right - self.left)

    @property
    def height(self) -> float:
        """Pixels; never negative."""
        return max(0.0, self.bottom - self.top)

    @property
    def area(self) -> float:
        """Square pixels."""
        return self.width * self.height

    def iou(self, other: Box) -> float:
        """Intersection over union in [0, 1]; 0 when both boxes are empty."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        if across <= 0.0 or down <= 0.0:
            return 0.0
        shared = across * down
        union = self.area + other.area - shared
        return shared / union if union > 0.0 else 0.0


Line: TypeAlias = tuple[float, float, float, float]
"""x and y of the first end, then of the second, in shares of the picture from its top left."""


@dataclass(frozen=True, slots=True)
class Face:
    """One detection in one frame."""

    box: Box
    score: float
    """Detector confidence in [0, 1]."""
    emotion_scores: tuple[float, ...] | None = None
    """Probabilities in ``EMOTIONS`` order from a single-stage network; None from a face-only one."""


@dataclass(frozen=True, slots=True)
class Track:
    """One person followed over some frames. The number means nothing outside this process and run."""

    track_id: int
    box: Box
    score: float
    """Confidence of the latest matched detection."""
    observed: bool
    """True while the latest detector run matched it; False once it was looked for and missed."""
    emotion_scores: tuple[float, ...] | None = None
    """Handed through from the matched face of a single-stage network."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The current smoothed expression estimate of one track; the last per-person fact before counting."""

    track_id: int
    label: str
    """One of ``LABELS``."""
    confidence: float
    """Smoothed probability of the leading class in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Window:
    """One closed stretch of one source's time; each way of counting adds what it counted."""

    source: str
    sequence: int
    """Number of this window within source and session, from 0, without gaps."""
    opened_at_s: float
    """Monotonic seconds."""
    closed_at_s: float
    """Monotonic seconds; the next window opens at this instant."""
    coverage: float
    """Share of the window in [0, 1] during which the camera delivered."""


@dataclass(frozen=True, slots=True)
class EmotionWindow(Window):
    """Counts of one closed window of one source, before the privacy policy is applied."""

    counts: Mapping[str, int] = field(default_factory=dict)
    """Votes per label; one vote per track. Labels without votes may be absent."""

    @property
    def people(self) -> int:
        """Number of votes."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class PeopleWindow(Window):
    """How many were seen while no expression was inferred, before the privacy policy is applied."""

    people: int
    """One for each track."""


@dataclass(frozen=True, slots=True)
class CrossingsWindow(Window):
    """How often a line was crossed, before the privacy policy is applied."""

    came_in: int
    """To the line's right; a track adds one at most."""
    went_out: int
    """To its left; a track adds one at most."""


AnyWindow: TypeAlias = EmotionWindow | PeopleWindow | CrossingsWindow


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What the privacy policy lets out of one window or one day's total."""

    suppressed: bool
    people: int | None
    """None when suppressed."""
    counts: Mapping[str, int] | None
    """Every label of ``LABELS``, zeros included; None when suppressed."""


@dataclass(frozen=True, slots=True)
class DayTotal:
    """Counts of a run of whole windows of one source, about a day's, before the privacy policy is applied."""

    source: str
    sequence: int
    """Number of this total within source and session, from 0, without gaps."""
    first_window: int
    """Sequence of the first window in it."""
    windows: int
    """How many windows it holds, withheld ones included; above 0."""
    opened_at_s: float
    """Monotonic seconds; where its first window opened."""
    closed_at_s: float
    """Monotonic seconds; where its last window closed."""
    coverage: float
    """Share of that time in [0, 1] during which the camera delivered."""
    counts: Mapping[str, int]
    """Votes per label, added up over the windows. Labels without votes may be absent."""


@dataclass(frozen=True, slots=True)
class PeopleDisclosure:
    """What the privacy policy lets out of a window of people only."""

    suppressed: bool
    people: int | None
    """None when suppressed."""


@dataclass(frozen=True, slots=True)
class CrossingsDisclosure:
    """What the privacy policy lets out of a window of crossings: both directions or neither."""

    suppressed: bool
    came_in: int | None
    """None when suppressed."""
    went_out: int | None
    """None when suppressed."""


AnyDisclosure: TypeAlias = Disclosure | PeopleDisclosure | CrossingsDisclosure


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """How one source is doing, as its capture thread sees it."""

    state: str
    """``starting``, ``delivering``, ``reopening`` or ``ended``."""
    reconnects: int
    """Successful reopenings since the start."""
    stalls_1h: int
    """Times in the last hour that no frame came for ``stall_timeout_s``."""
    reason: str = ""
    """Why the last attempt failed, or why the picture is useless, in one sentence; empty when all is well."""
    picture: str = "good"
    """``good``, ``black``, ``overexposed``, ``covered`` or ``frozen``; only good pictures are processed."""


@dataclass(frozen=True, slots=True)
class BrokerStatus:
    """How the publisher is doing."""

    connected: bool
    """The broker has accepted the connection."""
    reason: str
    """Why not, or what it refuses, in one sentence; empty when all is well."""
    queue_depth: int
    """Windows that the broker has not acknowledged."""
    dropped: int
    """Windows given up since the start."""
    damaged: int = 0
    """Of those, windows of which the copy in the queue file was damaged."""


@dataclass(frozen=True, slots=True)
class Stamps:
    """Wall-clock ends of one window; ``end`` lies after ``start``."""

    start: datetime
    end: datetime
    synced: bool
