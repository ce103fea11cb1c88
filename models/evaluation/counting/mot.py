"""Walks in the MOTChallenge format, and what the trackers of others make of the same detections.

One folder per scene holds ``gt.txt`` (faces that are to be seen), ``det.txt`` (what our detector found),
``ours.txt`` (our tracks) and ``fps.txt``. ``others.py`` runs in another interpreter, which has the package
``trackers`` (Apache-2.0): it needs an OpenCV that can't be installed beside ours.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.domain import Box
from agent.errors import ModelError
from models.evaluation.counting.playing import Played
from models.evaluation.counting.truth import VISIBLE
from models.evaluation.walks import Kind

_OTHERS: Final = Path(__file__).with_name("others.py")
_LONGEST_S: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class MotScores:
    """Of one tracker on one scene."""

    hota: float
    idf1: float
    switches: int
    fragments: int
    tracks: int
    people: int


def write_mot(folder: Path, played: Played, fps: float) -> None:
    """Write the four files of one scene into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    truth: list[str] = []
    detections: list[str] = []
    tracks: list[str] = []
    for number, look in enumerate(played.looks, 1):
        truth += (
            _row(number, sight.number + 1, sight.box, 1.0)
            for sight in look.sights
            if sight.kind is Kind.person and sight.visible >= VISIBLE
        )
        detections += (_row(number, -1, face.box, face.score) for face in look.faces or ())
        tracks += (
            _row(number, track.track_id, track.box, track.score) for track in look.tracks if track.observed
        )
    for name, rows in (("gt", truth), ("det", detections), ("ours", tracks)):
        (folder / f"{name}.txt").write_text("".join(rows))
    (folder / "fps.txt").write_text(str(fps))


def _row(frame: int, number: int, box: Box, score: float) -> str:
    return f"{frame},{number},{box.left:.2f},{box.top:.2f},{box.width:.2f},{box.height:.2f},{score:.4f},1,1\n"


def compare_trackers(python: str, folders: Iterable[Path]) -> Mapping[str, Mapping[str, MotScores]]:
    """Scores by tracker, then by the name of the scene's folder; ours first.

    Raises:
        ModelError: The other Python can't be run or lacks the package.
    """
    command = [python, str(_OTHERS), *(str(folder) for folder in folders)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_S, check=True)
        answer = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise ModelError(
            f"can't compare trackers with {python}: {said[-1] if said else error};"
            " name a Python that has the package: pip install trackers==2.6.1, in a venv of its own"
        ) from error
    return {
        tracker: {scene: MotScores(**scores) for scene, scores in by_scene.items()}
        for tracker, by_scene in answer.items()
    }
