"""The same clips through other packages, each where it is installed.

``fer`` brings TensorFlow along and wants an environment of its own, so it runs by the interpreter of
one: ``python -m venv /tmp/fer && /tmp/fer/bin/pip install fer``, then
``python -m models evaluate --peers --peer-python /tmp/fer/bin/python``.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from agent.assembly import build_pipeline
from agent.classifier import Classifier
from agent.domain import Box, Json, Track
from agent.frame import Frame
from agent.inference import Networks, choose_networks
from agent.settings import (
    AgentSettings,
    ClassifierSettings,
    DeploymentSettings,
    LatencySettings,
    ModelsSettings,
    ReplaySource,
    TrackerSettings,
)
from agent.synthetic import Clip, draw_crowd
from models.evaluation.peers.heads import read_heads
from models.evaluation.sheet import Sheet

if TYPE_CHECKING:
    Label = Callable[[Frame], list[str]]
    """The expression of each face that is found in a frame."""

FACES: Final = 5
"""Shown at a time."""
ROUNDS: Final = 4
"""Times a clip is shown; the first is not timed."""
YUNET_PX: Final = 320
_AMPLE_BUDGET_MS: Final = 10_000.0
_TIMEOUT_S: Final = 600.0
_SCRIPT: Final = Path(__file__).with_name("fer.py")


@dataclass(frozen=True, slots=True)
class PeersAsked:
    """Where the packages are, and what they are shown."""

    python: str = "python3"
    """Interpreter of an environment that has ``fer``."""
    yunet: Path | None = None
    """``.onnx`` file of OpenCV's face detector; None leaves it out."""
    heads: Path | None = None
    """Folder with ``heads.csv``; None is the astronaut in all places."""
    trusted_keys: tuple[Path, ...] = ()
    """Of our bundle's signer, besides the shipped ones; an unsigned bundle runs."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a package made of the clips."""

    ms: float
    """Per frame."""
    found: float
    """Share of the true faces that the frames' counts hold."""
    right: float
    """And hold under the right expression."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One package."""

    name: str
    note: str
    """Version or file; why it was left out where nothing was shown."""
    shown: Shown | None = None

    def as_json(self) -> dict[str, Json]:
        """A row; one that was left out has no figures."""
        figures = {} if self.shown is None else asdict(self.shown)
        return {"name": self.name, **figures, "note": self.note}


def compare_peers(asked: PeersAsked, models: ModelsSettings) -> tuple[Peer, ...]:
    """Milliseconds per frame and agreement with the clips' truth, ours first.

    Raises:
        ModelError: Our bundle is missing or broken, or its signer is a stranger.
        ConfigError: The heads can't be used.
    """
    heads = read_heads(asked.heads) if asked.heads else []
    groups = [heads[start : start + FACES] for start in range(0, len(heads), FACES)] or [[]]
    clips = [draw_crowd(FACES, group) for group in groups]
    settings = _eager(models)
    networks, _ = choose_networks(settings, None)
    return (
        _ours(clips, networks, settings),
        _yunet(clips, asked.yunet, networks, settings),
        _fer(clips, asked.python),
    )


def peer_sheet(peers: Sequence[Peer]) -> Sheet:
    """The table for people."""
    rows = tuple((peer.name, *_cells(peer.shown), peer.note) for peer in peers)
    columns = ("who", "ms/frame", "fps", "faces found", "labels right", "note")
    return Sheet("Side by side on one clip", columns, rows)


def _cells(shown: Shown | None) -> tuple[str, ...]:
    if shown is None:
        return ("",) * 4
    return f"{shown.ms:.1f}", f"{1000.0 / shown.ms:.0f}", f"{shown.found:.0%}", f"{shown.right:.0%}"


def _eager(models: ModelsSettings) -> AgentSettings:
    """Every frame detected and every face in it classified anew, as the peers do."""
    return AgentSettings(
        deployment=DeploymentSettings(site="peers", device="this-machine", context="demo"),
        sources={"peers": ReplaySource(type="replay", path=_SCRIPT.parent)},
        models=models,
        latency=LatencySettings(budget_ms=_AMPLE_BUDGET_MS),
        classifier=ClassifierSettings(revote_ms=0.0),
        tracker=TrackerSettings(confirm_hits=1, confirm_ms=0.0),
    )


def _ours(clips: Sequence[Clip], networks: Networks, settings: AgentSettings) -> Peer:
    def begin() -> Label:
        pipeline = build_pipeline(networks, settings, time.monotonic)
        return lambda frame: [reading.label for reading in pipeline.step(frame).readings]

    file = networks.detectors[0].file
    return Peer("emotion-agent", f"{file.backend} {file.precision}", _show(clips, begin))


def _yunet(clips: Sequence[Clip], path: Path | None, networks: Networks, settings: AgentSettings) -> Peer:
    name = "YuNet + our classifier"
    if path is None:
        return Peer(name, "left out: give --yunet FILE.onnx from the OpenCV model zoo")
    if networks.classifier is None:
        return Peer(name, "left out: the configured detector classifies by itself")
    height, width = clips[0].frames.shape[1:3]
    scale = YUNET_PX / max(width, height)
    size = (round(width * scale), round(height * scale))
    detector = cv2.FaceDetectorYN.create(str(path), "", size, 0.6)
    classifier = Classifier(networks.classifier, settings.classifier, networks.calibrated_floor)

    def label(frame: Frame) -> list[str]:
        _, rows = detector.detect(cv2.resize(frame.pixels, size))
        tracks = []
        for number, row in enumerate(() if rows is None else rows):
            left, top, wide, high = (float(value) / scale for value in row[:4])
            box = Box(left, top, left + wide, top + high)
            tracks.append(Track(number, box, float(row[14]), observed=True))
            classifier.classify(frame, tracks[-1], frame.captured_at_s)
        readings = classifier.readings(tracks)
        classifier.forget(())
        return [reading.label for reading in readings]

    return Peer(name, f"input {YUNET_PX} px", _show(clips, lambda: label))


def _show(clips: Sequence[Clip], begin: Callable[[], Label]) -> Shown:
    """Show each clip ``ROUNDS`` times to what begins with it."""
    seen: list[tuple[Sequence[str], Sequence[str]]] = []
    spent_ms: list[float] = []
    for clip in clips:
        label = begin()
        for shown in range(ROUNDS):
            for index, pixels in enumerate(clip.frames):
                started_s = time.perf_counter()
                labels = label(Frame(pixels, time.monotonic(), "peers", index))
                if shown:
                    spent_ms.append(1000.0 * (time.perf_counter() - started_s))
                    seen.append((clip.labels, labels))
    return _judged(seen, float(np.mean(spent_ms)))


def _fer(clips: Sequence[Clip], python: str) -> Peer:
    name = "fer package"
    frames = np.concatenate([clip.frames for clip in clips])
    header = json.dumps({"shape": frames.shape, "rounds": ROUNDS}).encode() + b"\n"
    try:
        result = subprocess.run(
            [python, str(_SCRIPT)],
            input=header + frames.tobytes(),
            capture_output=True,
            timeout=_TIMEOUT_S * len(clips),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Peer(name, f"left out: {error}")
    lines = [line for line in result.stdout.decode(errors="replace").splitlines() if line.startswith("{")]
    if not lines:
        words = result.stderr.decode(errors="replace").strip().splitlines()[-1:]
        return Peer(name, f"left out: {' '.join(words) or 'no answer'}; see --peer-python")
    answer = json.loads(lines[-1])
    if "missing" in answer:
        return Peer(name, f"left out, {answer['missing']} is not installed for {python}: see --peer-python")
    truths = [clip.labels for clip in clips for _ in clip.frames] * (ROUNDS - 1)
    seen = list(zip(truths, answer["labels"], strict=True))
    return Peer(name, answer["version"], _judged(seen, answer["ms"]))


def _judged(seen: Sequence[tuple[Sequence[str], Sequence[str]]], ms: float) -> Shown:
    """Compare each frame's true counts with those found: where a face was seen doesn't leave a device."""
    wanted = sum(len(truth) for truth, _ in seen)
    found = sum(min(len(truth), len(labels)) for truth, labels in seen)
    right = sum((Counter(truth) & Counter(labels)).total() for truth, labels in seen)
    return Shown(ms, found / wanted, right / wanted)
