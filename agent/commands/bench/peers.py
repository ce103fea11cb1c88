"""The same clip through other packages, each where it is installed.

``fer`` brings TensorFlow along and wants an environment of its own, so it runs by the interpreter of
one: ``python -m venv /tmp/fer && /tmp/fer/bin/pip install fer``, then
``emotion-agent bench --peers --peer-python /tmp/fer/bin/python``.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from agent.assembly import build_pipeline
from agent.classifier import Classifier
from agent.domain import Box, Track
from agent.frame import Frame
from agent.inference import choose_networks
from agent.synthetic import Clip, draw_crowd

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.settings import AgentSettings, ClassifierSettings
    from agent.synthetic import Head

FACES: Final = 5
ROUNDS: Final = 4
"""Times the clip is shown; the first is not timed."""
_AMPLE_BUDGET_MS: Final = 10_000.0
_TIMEOUT_S: Final = 600.0
_SCRIPT: Final = Path(__file__).with_name("fer_peer.py")


def compare_peers(
    python: str, yunet: Path | None, settings: AgentSettings, heads: Sequence[Head] | None = None
) -> list[dict[str, Any]]:
    """Milliseconds per frame and agreement with the clips' truth, ours first.

    Args:
        python: Interpreter of an environment with ``fer``.
        yunet: OpenCV's face detector; None leaves it out.
        settings: Of our agent.
        heads: Shown ``FACES`` at a time, each in one clip; None is the astronaut in all places.
    """
    shown = list(heads or [])
    clips = [draw_crowd(FACES, shown[start : start + FACES]) for start in range(0, len(shown), FACES)]
    clips = clips or [draw_crowd(FACES)]
    ways: list[Callable[[Clip], dict[str, Any]]] = [
        lambda clip: _ours(clip, settings),
        lambda clip: _yunet(clip, yunet, settings),
        lambda clip: _fer(clip, python),
    ]
    return [_mean([way(clip) for clip in clips]) for way in ways]


def _mean(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One row of as many clips; the first that says why it was left out speaks for all."""
    for row in rows:
        if "ms" not in row:
            return row
    return {
        **rows[0],
        **{key: float(np.mean([row[key] for row in rows])) for key in ("ms", "found", "right")},
    }


def _ours(clip: Clip, settings: AgentSettings) -> dict[str, Any]:
    """Every frame detected and every face in it classified anew, as the peers do."""
    eager = settings.model_copy(
        update={
            "latency": settings.latency.model_copy(update={"budget_ms": _AMPLE_BUDGET_MS}),
            "classifier": _eager(settings),
            "tracker": settings.tracker.model_copy(update={"confirm_hits": 1}),
        }
    )
    networks, _ = choose_networks(eager, None)
    pipeline = build_pipeline(networks, eager, time.monotonic)

    def label(frame: Frame) -> list[str]:
        return [reading.label for reading in pipeline.step(frame).readings]

    file = networks.detectors[0].file
    return {"name": "emotion-agent", **_shown(clip, label), "note": f"{file.backend} {file.precision}"}


def _yunet(clip: Clip, path: Path | None, settings: AgentSettings) -> dict[str, Any]:
    name = "YuNet + our classifier"
    if path is None:
        return {"name": name, "note": "left out: give --yunet FILE.onnx from the OpenCV model zoo"}
    detector = cv2.FaceDetectorYN.create(str(path), "", (320, 320))
    detector.setScoreThreshold(0.6)
    networks, _ = choose_networks(settings, None)
    if networks.classifier is None:
        return {"name": name, "note": "left out: the configured detector classifies by itself"}
    height, width = clip.frames.shape[1:3]
    scale = 320.0 / max(width, height)
    size = (round(width * scale), round(height * scale))
    detector.setInputSize(size)

    classifier = Classifier(networks.classifier, _eager(settings), networks.calibrated_floor)

    def label(frame: Frame) -> list[str]:
        _, rows = detector.detect(cv2.resize(frame.pixels, size))
        tracks = []
        for number, row in enumerate(np.zeros((0, 15)) if rows is None else rows):
            left, top, wide, high = (float(value) / scale for value in row[:4])
            box = Box(left, top, left + wide, top + high)
            tracks.append(Track(number, box, float(row[14]), observed=True))
        for track in tracks:
            classifier.classify(frame, track, frame.captured_at_s)
        readings = classifier.readings(tracks)
        classifier.forget(())
        return [reading.label for reading in readings]

    return {"name": name, **_shown(clip, label), "note": "input 320 px"}


def _eager(settings: AgentSettings) -> ClassifierSettings:
    """A fresh vote for every face in every frame."""
    return settings.classifier.model_copy(update={"revote_ms": 0.0})


def _shown(clip: Clip, label: Callable[[Frame], list[str]]) -> dict[str, float]:
    """Show the clip ``ROUNDS`` times; ``label`` answers with the expression of each face it finds."""
    seen: list[list[str]] = []
    spent_ms: list[float] = []
    for shown in range(ROUNDS):
        for index, pixels in enumerate(clip.frames):
            started_s = time.perf_counter()
            labels = label(Frame(pixels, time.monotonic(), "peers", index))
            if shown:
                spent_ms.append(1000.0 * (time.perf_counter() - started_s))
                seen.append(labels)
    return {**_agreement(clip, seen), "ms": float(np.mean(spent_ms))}


def _fer(clip: Clip, python: str) -> dict[str, Any]:
    name = "fer package"
    header = json.dumps({"shape": clip.frames.shape, "rounds": ROUNDS}).encode() + b"\n"
    try:
        result = subprocess.run(
            [python, str(_SCRIPT)],
            input=header + clip.frames.tobytes(),
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"name": name, "note": f"left out: {error}"}
    lines = [line for line in result.stdout.decode(errors="replace").splitlines() if line.startswith("{")]
    if not lines:
        words = result.stderr.decode(errors="replace").strip().splitlines()[-1:]
        return {"name": name, "note": f"left out: {' '.join(words) or 'no answer'}; see --peer-python"}
    answer = json.loads(lines[-1])
    if "missing" in answer:
        return {
            "name": name,
            "note": f"left out, {answer['missing']} is not installed for {python}: see --peer-python",
        }
    seen = [[label for _, label in faces] for faces in answer["faces"]]
    return {"name": name, **_agreement(clip, seen), "ms": answer["ms"], "note": answer["version"]}


def _agreement(clip: Clip, seen: Sequence[Sequence[str]]) -> dict[str, float]:
    """Shares of the true faces that the frames' counts hold, and hold under the right expression.

    Counts are what leaves a device, so where a face was seen does not matter here.
    """
    truth = Counter(clip.labels)
    wanted = max(1, len(clip.labels) * len(seen))
    found = sum(min(len(labels), len(clip.labels)) for labels in seen)
    right = sum((truth & Counter(labels)).total() for labels in seen)
    return {"found": found / wanted, "right": right / wanted}
