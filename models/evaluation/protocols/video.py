"""A clip of known truth through the whole pipeline: are the windows' counts right?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from agent.aggregator import Aggregator
from agent.assembly import build_pipeline
from agent.domain import LABELS, EmotionWindow, Json
from agent.frame import Frame
from agent.inference import Networks
from models.data import read_scenes
from models.evaluation.counting import Clock, counting_settings
from models.evaluation.protocols.video_clip import FPS, HEIGHT_PX, WIDTH_PX, WINDOW_S, Clip, compose_clip
from models.evaluation.sheet import Sheet
from models.evaluation.subject import Subject

WINDOWS: Final = 60
"""Ten minutes."""


@dataclass(frozen=True, slots=True)
class WindowOutcome:
    """Truth and count of one window."""

    people: int
    seen: int
    leading: tuple[str, ...]
    """The label that most people in view carry; several where they are even."""
    seen_leading: str
    """The label with the highest count, the first of ``LABELS`` where even; "" in an empty window."""

    @property
    def people_right(self) -> bool:
        """Whether the number of people is exactly right."""
        return self.people == self.seen

    @property
    def leading_right(self) -> bool:
        """Whether the leading label is one of the true ones."""
        return self.seen_leading in self.leading


@dataclass(frozen=True, slots=True)
class VideoScores:
    """Of one clip."""

    name: str
    score_threshold: float
    windows: tuple[WindowOutcome, ...]

    def as_json(self) -> dict[str, Json]:
        """All figures, and each window."""
        return {
            "network": self.name,
            **self._summary(),
            "per_window": [
                {
                    "people": window.people,
                    "people_counted": window.seen,
                    "dominant": list(window.leading),
                    "dominant_counted": window.seen_leading,
                }
                for window in self.windows
            ],
        }

    def sheets(self) -> list[Sheet]:
        """One table."""
        figures = self._summary()
        rows = (
            ("windows with the right number of people", f"{figures['people_right']:.1%}"),
            ("windows with the right dominant expression", f"{figures['dominant_right']:.1%}"),
            ("people in all windows: true, counted", f"{figures['people']}, {figures['people_counted']}"),
            ("mean error of a window's number", f"{figures['mean_absolute_people_error']:.2f}"),
        )
        note = (
            f"{figures['windows']} windows of {WINDOW_S} s at {FPS} frames/s, {WIDTH_PX}×{HEIGHT_PX} px:"
            f" portraits of unseen people before scenes, detections from score {self.score_threshold:.2f}."
            " Windows without anybody have no dominant expression."
            " Nothing comparable is published."
        )
        return [Sheet(f"Clip through the pipeline: {self.name}", ("", "ours"), rows, note)]

    def _summary(self) -> dict[str, float]:
        peopled = [window for window in self.windows if window.people]
        return {
            "windows": len(self.windows),
            "score_threshold": self.score_threshold,
            "people_right": _mean([window.people_right for window in self.windows]),
            "dominant_right": _mean([window.leading_right for window in peopled]),
            "people": sum(window.people for window in self.windows),
            "people_counted": sum(window.seen for window in self.windows),
            "mean_absolute_people_error": _mean(
                [abs(window.people - window.seen) for window in self.windows]
            ),
        }


def run_video(subject: Subject, say: Callable[[str], None]) -> VideoScores:
    """Compose a clip of ``subject.limit`` windows and count its people.

    Raises:
        ModelError: The data are missing or broken.
    """
    scenes = read_scenes(subject.data.folder, "valid")
    clip = compose_clip(subject.data.portraits, scenes, subject.limit or WINDOWS, subject.seed)
    windows = play(clip, subject)
    outcomes = [judge_window(truth, window) for truth, window in zip(clip.windows, windows, strict=True)]
    detector, classifier = subject.detector, subject.classifier
    alone = detector.entry.task == "face_emotion"
    name = detector.name if alone else f"{detector.name}, {classifier.name}"
    say(f"{name}: {len(outcomes)} windows of {WINDOW_S} s")
    return VideoScores(f"{name}, {detector.file.precision}", subject.score_threshold, tuple(outcomes))


def play(clip: Clip, subject: Subject) -> list[EmotionWindow]:
    """The windows that the agent's own stages make of a clip, with its default settings but the threshold."""
    settings = counting_settings(subject.score_threshold)
    alone = subject.detector.entry.task == "face_emotion"
    clock = Clock()
    pipeline = build_pipeline(
        Networks((subject.detector,), None if alone else subject.classifier), settings, clock
    )
    start_s = clock.now_s
    aggregator = Aggregator("clip", float(WINDOW_S), start_s)
    closed: list[EmotionWindow] = []
    for index, picture in enumerate(clip.frames()):
        clock.now_s = captured_s = start_s + index / FPS
        closed += aggregator.close_due(captured_s)
        aggregator.frame_seen(captured_s)
        aggregator.add(pipeline.step(Frame(picture, captured_s, "clip", index)).readings)
    return closed + aggregator.close_due(start_s + len(clip.windows) * WINDOW_S)


def judge_window(truth: tuple[str, ...], window: EmotionWindow) -> WindowOutcome:
    """Compare the labels of everybody in view with a window's counts."""
    true = Counter(truth)
    leading = tuple(label for label in LABELS if true and true[label] == max(true.values()))
    seen = max(LABELS, key=lambda label: (window.counts.get(label, 0), -LABELS.index(label)))
    return WindowOutcome(len(truth), window.people, leading, seen if window.people else "")


def _mean(outcomes: list[bool] | list[int]) -> float:
    return float(np.mean(outcomes)) if outcomes else 0.0
