"""The order of the stages, and nothing else: one synchronous step per frame, clock injected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent.domain import Reading

if TYPE_CHECKING:
    from agent.classifier import Classifier
    from agent.detector import Detector
    from agent.domain import Track
    from agent.frame import Frame
    from agent.scheduler import Scheduler
    from agent.tracker import Tracker


@dataclass(frozen=True, slots=True)
class Step:
    """What one frame brought, and what it took."""

    readings: tuple[Reading, ...]
    latency_ms: float
    """From capture to here."""
    tracks: tuple[Track, ...] = ()
    """Observed ones, read or not."""
    picture_px: tuple[int, int] = (0, 0)
    """Width and height."""
    dropped: bool = False
    """The frame was already too old to be worth work."""
    detected: bool = False
    classified: int = 0
    tier: int = 0

    def only(self, track_ids: AbstractSet[int]) -> Step:
        """The same without what it says of other tracks."""
        return replace(
            self,
            readings=tuple(reading for reading in self.readings if reading.track_id in track_ids),
            tracks=tuple(track for track in self.tracks if track.track_id in track_ids),
        )


class Pipeline:
    """Runs detect → track → classify for one source within what its scheduler allows.

    Args:
        detectors: One per tier, most accurate first.
        tracker: Follows faces of this source only.
        classifier: Holds the votes of this source's tracks; None infers no expression.
        scheduler: Keeps the budget.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        detectors: Sequence[Detector],
        tracker: Tracker,
        classifier: Classifier | None,
        scheduler: Scheduler,
        clock: Callable[[], float],
    ) -> None:
        self._detectors = tuple(detectors)
        self._tracker = tracker
        self._classifier = classifier
        self._scheduler = scheduler
        self._clock = clock

    def step(self, frame: Frame) -> Step:
        """Take one frame through all stages."""
        plan = self._scheduler.plan(self._clock(), self._age_ms(frame))
        if plan.drop:
            return Step((), self._age_ms(frame), dropped=True, tier=plan.tier)
        tracks = self._detect(frame, plan.tier) if plan.detect else self._tracker.coast(frame.captured_at_s)
        observed = tuple(track for track in tracks if track.observed)
        classified, readings = 0, list[Reading]()
        if self._classifier is not None:
            classified = self._classify(self._classifier, frame, tracks, detected=plan.detect)
            self._classifier.forget({track.track_id for track in tracks})
            readings = self._classifier.readings(observed)
        return Step(
            tuple(readings),
            self._age_ms(frame),
            observed,
            (frame.width, frame.height),
            detected=plan.detect,
            classified=classified,
            tier=plan.tier,
        )

    def _detect(self, frame: Frame, tier: int) -> Sequence[Track]:
        started_s = self._clock()
        faces = self._detectors[tier].detect(frame)
        tracks = self._tracker.update(faces, (frame.width, frame.height), frame.captured_at_s)
        now_s = self._clock()
        self._scheduler.detection_took(1000.0 * (now_s - started_s), now_s)
        return tracks

    def _classify(
        self, classifier: Classifier, frame: Frame, tracks: Sequence[Track], *, detected: bool
    ) -> int:
        stale = classifier.stale(tracks, frame.captured_at_s)
        allowed = self._scheduler.allowance(self._age_ms(frame), len(stale), detected=detected)
        started_s = self._clock()
        for done, track in enumerate(stale[:allowed]):
            if done and not self._scheduler.has_time(self._age_ms(frame)):
                # Something held this process up after the plan was made; the others vote on the next frame.
                return done
            classifier.classify(frame, track, frame.captured_at_s)
            ended_s = self._clock()
            self._scheduler.classification_took(1000.0 * (ended_s - started_s))
            started_s = ended_s
        return allowed

    def _age_ms(self, frame: Frame) -> float:
        return 1000.0 * (self._clock() - frame.captured_at_s)
