"""The same clip through other packages, each where it is installed.

``fer`` brings TensorFlow along and wants an environment of its own, so it runs by the interpreter of
one: ``python -m venv /tmp/fer && /tmp/fer/bin/pip install fer``, then
``emotion-agent bench --peers --peer-python /tmp/fer/bin/python``.
"""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from agent.bench.clip import Clip, crowd
from agent.daemon import build_pipeline
from agent.domain import Box
from agent.frame import Frame
from agent.networks import choose_networks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.settings import AgentSettings

FACES: Final = 5
ROUNDS: Final = 4
"""Times the clip is shown; the first is not timed."""
_LEAST_IOU: Final = 0.3
"""Generous: packages disagree about where a face ends."""
_TIMEOUT_S: Final = 600.0
_SCRIPT: Final = Path(__file__).with_name("fer_peer.py")

Seen = tuple[Box, str]
"""A face as one package reports it: where, and which expression."""


def compare_peers(python: str, yunet: Path | None, settings: AgentSettings) -> list[dict[str, Any]]:
    """Milliseconds per frame and agreement with the clip's truth, ours first.

    Args:
        python: Interpreter of an environment with ``fer``.
        yunet: OpenCV's face detector; None leaves it out.
        settings: Of our agent.
    """
    clip = crowd(FACES)
    return [_ours(clip, settings), _yunet(clip, yunet, settings), _fer(clip, python)]


def _ours(clip: Clip, settings: AgentSettings) -> dict[str, Any]:
    """Every frame detected and every face in it classified anew, as the peers do."""
    eager = settings.model_copy(
        update={
            "latency": settings.latency.model_copy(update={"budget_ms": 10_000.0}),
            "classifier": settings.classifier.model_copy(update={"revote_ms": 0.0}),
            "tracker": settings.tracker.model_copy(update={"confirm_hits": 1}),
        }
    )
    networks, _ = choose_networks(eager, None)
    pipeline = build_pipeline(networks, eager, time.monotonic)
    seen: list[list[str]] = []
    spent_ms: list[float] = []
    for shown in range(ROUNDS):
        for index, pixels in enumerate(clip.frames):
            started_s = time.perf_counter()
            step = pipeline.step(Frame(pixels, time.monotonic(), "peers", index))
            if shown:
                spent_ms.append(1000.0 * (time.perf_counter() - started_s))
                seen.append([reading.label for reading in step.readings])
    found = sum(min(len(labels), len(clip.labels)) for labels in seen)
    right = sum(sum(label == clip.labels[0] for label in labels) for labels in seen)
    wanted = len(clip.labels) * len(seen)
    return {
        "name": "emotion-agent",
        "ms": float(np.mean(spent_ms)),
        "found": found / wanted,
        "right": right / wanted,
        "note": f"{networks.detectors[0].file.backend} {networks.detectors[0].file.precision}",
    }


def _yunet(clip: Clip, path: Path | None, settings: AgentSettings) -> dict[str, Any]:
    name = "YuNet + our classifier"
    if path is None:
        return {"name": name, "note": "left out: give --yunet FILE.onnx from the OpenCV model zoo"}
    detector = cv2.FaceDetectorYN.create(str(path), "", (320, 320))
    detector.setScoreThreshold(0.6)
    networks, _ = choose_networks(settings, None)
    if networks.classifier is None:
        return {"name": name, "note": "left out: the configured detector classifies by itself"}
    from agent.classifier import Classifier  # noqa: PLC0415 - the one stage that YuNet needs of ours
    from agent.domain import Track  # noqa: PLC0415 - same

    classifier = Classifier(networks.classifier, settings.classifier)
    height, width = clip.frames.shape[1:3]
    scale = 320.0 / max(width, height)
    detector.setInputSize((round(width * scale), round(height * scale)))
    seen: list[list[Seen]] = []
    spent_ms: list[float] = []
    for shown in range(ROUNDS):
        for index, pixels in enumerate(clip.frames):
            started_s = time.perf_counter()
            small = cv2.resize(pixels, (round(width * scale), round(height * scale)))
            _, rows = detector.detect(small)
            faces = []
            frame = Frame(pixels, 0.0, "peers", index)
            for number, row in enumerate(np.zeros((0, 15)) if rows is None else rows):
                left, top, wide, high = (float(value) / scale for value in row[:4])
                track = Track(number, Box(left, top, left + wide, top + high), float(row[14]), observed=True)
                classifier.classify(frame, track, 0.0)
                (reading,) = classifier.readings([track])
                faces.append((track.box, reading.label))
            classifier.forget(())
            if shown:
                spent_ms.append(1000.0 * (time.perf_counter() - started_s))
                seen.append(faces)
    return {"name": name, **_agreement(clip, seen), "ms": float(np.mean(spent_ms)), "note": "input 320 px"}


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
    seen = [[(Box(*box), label) for box, label in faces] for faces in answer["faces"]]
    return {"name": name, **_agreement(clip, seen), "ms": answer["ms"], "note": answer["version"]}


def _agreement(clip: Clip, seen: Sequence[Sequence[Seen]]) -> dict[str, float]:
    """Share of the true faces that were found, and that were found and labelled right."""
    found = right = wanted = 0
    for index, faces in enumerate(seen):
        for truth, label in zip(clip.faces[index % len(clip.faces)], clip.labels, strict=True):
            wanted += 1
            hits = [(truth.iou(box), said) for box, said in faces]
            overlap, said = max(hits, default=(0.0, ""))
            found += overlap >= _LEAST_IOU
            right += overlap >= _LEAST_IOU and said == label
    return {"found": found / max(1, wanted), "right": right / max(1, wanted)}
