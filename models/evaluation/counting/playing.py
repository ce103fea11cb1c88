"""A walk or a clip through the agent's own stages, and everything they said of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.aggregator import Aggregator
from agent.classifier import Classifier
from agent.detector import Detector
from agent.domain import EmotionWindow, Face, Track
from agent.frame import Frame
from agent.inference import LoadedNetwork, Networks
from agent.pipeline import Pipeline
from agent.scheduler import Scheduler
from agent.settings import AgentSettings, DeploymentSettings, DetectorSettings, ReplaySource
from agent.tracker import Tracker, make_tracker
from models.evaluation.walks import Camera, Moment, Sight

WINDOW_S: Final = 60.0
LOOK_S: Final = 0.001
"""What each look at the clock takes: costs are then known, never nought, and the same in every run."""
START_S: Final = 1_000.0


@dataclass(frozen=True, slots=True)
class Look:
    """One frame that the agent worked on."""

    now_s: float
    """From the walk's beginning."""
    sights: tuple[Sight, ...]
    faces: tuple[Face, ...] | None
    """None where the detector did not run."""
    tracks: tuple[Track, ...]


@dataclass(frozen=True, slots=True)
class Played:
    """One walk."""

    looks: tuple[Look, ...]
    windows: tuple[EmotionWindow, ...]
    """Of ``WINDOW_S`` each; the last may be shorter."""
    passed_over: tuple[Look, ...]
    """Frames that a slow box never looked at: truth goes on there."""


class Clock:
    """Moves on a little with every look, and to wherever it is set."""

    now_s = START_S

    def __call__(self) -> float:
        """Monotonic seconds."""
        self.now_s += LOOK_S
        return self.now_s


class _SlowDetector(Detector):
    """Takes a stated time of the clock."""

    def __init__(
        self, network: LoadedNetwork, settings: DetectorSettings, clock: Clock, cost_s: float
    ) -> None:
        super().__init__(network, settings)
        self._clock, self._cost_s = clock, cost_s

    def detect(self, frame: Frame) -> list[Face]:
        self._clock.now_s += self._cost_s
        return super().detect(frame)


class _WatchedTracker:
    """Keeps what it was told and what it answered last."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self.faces: tuple[Face, ...] | None = None
        self.tracks: tuple[Track, ...] = ()

    def update(self, faces: Sequence[Face], picture_px: tuple[int, int], now_s: float) -> list[Track]:
        self.faces = tuple(faces)
        return self._keep(self._tracker.update(faces, picture_px, now_s))

    def coast(self, now_s: float) -> list[Track]:
        self.faces = None
        return self._keep(self._tracker.coast(now_s))

    def _keep(self, tracks: list[Track]) -> list[Track]:
        self.tracks = tuple(tracks)
        return tracks


def counting_settings(score_threshold: float) -> AgentSettings:
    """The agent's defaults but for the threshold."""
    return AgentSettings(
        deployment=DeploymentSettings(site="evaluation", device="walk", context="research"),
        sources={"walk": ReplaySource(type="replay", path=Path("walk"))},
        detector=DetectorSettings(score_threshold=score_threshold),
    )


def play(moments: Iterable[Moment], camera: Camera, networks: Networks, settings: AgentSettings) -> Played:
    """Take every frame through detection, tracking, classification and counting.

    Args:
        moments: Of a walk or a clip, drawn as they are asked for.
        camera: Rate of the frames, and how long a detection takes.
        networks: One detector, and a classifier where it does not name expressions itself.
        settings: For every stage.
    """
    clock = Clock()
    tracker = _WatchedTracker(make_tracker(settings.tracker))
    pipeline = Pipeline(
        [_SlowDetector(networks.detectors[0], settings.detector, clock, camera.detection_ms / 1_000.0)],
        tracker,
        Classifier(networks.classifier, settings.classifier, networks.calibrated_floor),
        Scheduler(settings.latency.budget_ms),
        clock,
    )
    aggregator = Aggregator("walk", WINDOW_S, START_S)
    looks: list[Look] = []
    passed_over: list[Look] = []
    windows: list[EmotionWindow] = []
    captured_s = START_S
    for index, moment in enumerate(moments):
        captured_s = START_S + moment.now_s
        if clock.now_s > captured_s + 1.0 / camera.fps:
            # The next frame was there before this one could be begun: the latest wins.
            passed_over.append(Look(moment.now_s, moment.sights, None, ()))
            continue
        clock.now_s = max(clock.now_s, captured_s)
        windows += aggregator.close_due(captured_s)
        aggregator.frame_seen(captured_s)
        step = pipeline.step(Frame(moment.pixels, captured_s, "walk", index))
        if step.dropped:
            passed_over.append(Look(moment.now_s, moment.sights, None, ()))
            continue
        aggregator.add(step.readings)
        looks.append(Look(moment.now_s, moment.sights, tracker.faces, tracker.tracks))
    windows.append(aggregator.close_now(captured_s))
    return Played(tuple(looks), tuple(windows), tuple(passed_over))
