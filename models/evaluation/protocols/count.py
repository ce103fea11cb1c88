"""People counted in walks of known truth: too many, too few, for how long, and who showed what.

Choosing and reporting have people of their own and seeds of their own: what is tuned on the one is told of
the other. Nothing comparable is published.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from agent.domain import Json
from agent.inference import Networks
from models.data import read_scenes
from models.evaluation.counting import (
    CountScores,
    MotScores,
    Played,
    compare_trackers,
    counting_settings,
    open_clip,
    play,
    read_truth,
    score_count,
    write_mot,
)
from models.evaluation.sheet import Sheet
from models.evaluation.subject import Subject
from models.evaluation.walks import SCENARIOS, Purpose, make_cast, make_walk

PEOPLE: Final = 1_000
"""Who come in each scene, roughly."""
REPORTING_SEED: Final = 7_000
"""Of choosing, seeds begin at 1."""


@dataclass(frozen=True, slots=True)
class CountReport:
    """Of all scenes and clips."""

    name: str
    score_threshold: float
    purpose: Purpose
    scenes: Mapping[str, CountScores]
    clips: Mapping[str, tuple[int, int]]
    """True and counted people by file."""
    trackers: Mapping[str, Mapping[str, MotScores]] = field(default_factory=dict)
    """By tracker, ours first, then by scene; empty where no other Python was named."""

    def as_json(self) -> dict[str, Json]:
        """All figures."""
        return {
            "network": self.name,
            "score_threshold": self.score_threshold,
            "people_are_for": self.purpose,
            "scenes": {name: {**asdict(s), "bias": s.bias} for name, s in self.scenes.items()},
            "clips": {file: {"people": true, "counted": told} for file, (true, told) in self.clips.items()},
            "trackers": {
                tracker: {scene: asdict(scores) for scene, scores in by_scene.items()}
                for tracker, by_scene in self.trackers.items()
            },
        }

    def sheets(self) -> list[Sheet]:
        """People, windows, clips, trackers."""
        sheets = [self._people(), self._windows()]
        if self.clips:
            rows = tuple((file, str(true), str(told)) for file, (true, told) in self.clips.items())
            sheets.append(Sheet("Real clips", ("", "people", "counted"), rows))
        if self.trackers:
            sheets.append(self._trackers())
        return sheets

    def _people(self) -> Sheet:
        columns = (
            "",
            "people",
            "counted",
            "bias",
            "missed",
            "split",
            "glimpsed",
            "pictures",
            "late",
            "ghosts",
        )
        rows = tuple(
            (
                name,
                str(s.people),
                str(s.counted),
                f"{s.bias:+.1%}",
                *map(str, (s.missed, s.split, s.glimpsed, s.pictures, s.late_pictures, s.ghosts)),
            )
            for name, s in self.scenes.items()
        )
        note = (
            f"{self.name}, detections from score {self.score_threshold:.2f}; people for {self.purpose}."
            " To be counted is who can be seen, by half of the face or more, for a second or more."
            " Split: a person's further tracks; pictures: tracks on posters and prints; late: of those, after"
            " five minutes."
        )
        return Sheet("People counted in walks", columns, rows, note)

    def _windows(self) -> Sheet:
        columns = ("", "true in 60 s", "bias", "mean error", "dwell", "expressions")
        rows = tuple(
            (
                name,
                f"{s.window_people:.1f}",
                f"{s.window_bias:+.2f}",
                f"{s.window_error:.2f}",
                f"{s.dwell_error:+.1%}",
                f"{s.share_error:.3f}",
            )
            for name, s in self.scenes.items()
        )
        note = "Expressions: total variation between published shares and those of the portraits' labels."
        return Sheet("Windows of walks", columns, rows, note)

    def _trackers(self) -> Sheet:
        columns = ("", "HOTA", "IDF1", "switches", "fragments", "tracks", "people")
        rows = tuple(
            (
                name,
                *(f"{np.mean([getattr(s, kind) for s in by.values()]):.1f}" for kind in ("hota", "idf1")),
                *(str(sum(getattr(s, kind) for s in by.values())) for kind in columns[3:]),
            )
            for name, by in self.trackers.items()
        )
        return Sheet(
            "Trackers on the same detections, mean over scenes", columns, rows, "Others: their defaults."
        )


def run_count(subject: Subject, say: Callable[[str], None]) -> CountReport:
    """Play every scene and clip; ``subject.limit`` is of the people in a scene.

    Raises:
        ModelError: The data are missing or broken, or the other trackers can't be run.
    """
    purpose: Purpose = "choosing" if subject.choosing else "reporting"
    cast = make_cast(subject.data.portraits, purpose)
    scenes = read_scenes(subject.data.folder, "valid")
    alone = subject.detector.entry.task == "face_emotion"
    networks = Networks((subject.detector,), None if alone else subject.classifier)
    settings = counting_settings(subject.score_threshold)
    seed = subject.seed + (1 if subject.choosing else REPORTING_SEED)
    scored: dict[str, CountScores] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, scenario in SCENARIOS.items():
            walk = make_walk(scenario, cast, scenes, subject.limit or PEOPLE, seed)
            played = play(walk.moments(), scenario.camera, networks, settings)
            scored[name] = score_count(played, walk.label_of)
            write_mot(Path(folder) / name.replace(" ", "-"), played, scenario.camera.fps)
            say(f"{name}: {scored[name].counted} counted of {scored[name].people}")
        python = subject.tracker_python
        trackers = compare_trackers(python, sorted(Path(folder).iterdir())) if python else {}
    clips = {}
    for file, people in read_truth(subject.data.folder).items():
        camera, moments = open_clip(subject.data.folder / "clips" / file)
        clips[file] = people, _counted(play(moments, camera, networks, settings))
        say(f"{file}: {clips[file][1]} counted of {people}")
    name = f"{subject.detector.name}, {subject.detector.file.precision}"
    return CountReport(name, subject.score_threshold, purpose, scored, clips, trackers)


def _counted(played: Played) -> int:
    return len({track.track_id for look in played.looks for track in look.tracks if track.observed})
