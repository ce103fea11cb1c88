"""What every file of a bundle is worth, measured through the device's own code.

bundle ──► agent.inference.backends.opening ──► agent.detector, agent.classifier ──► scores and milliseconds
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import cv2

from agent.domain import Json
from agent.errors import ModelError
from agent.inference import LoadedNetwork
from agent.inference.backends import load_network
from agent.inference.bundle import Bundle
from models.evaluation.subject import EvaluationData, named_entries, sample_indices
from models.scores import (
    PortraitScores,
    ap50_by_height,
    judge_yunet,
    run_times_ms,
    score_emotion,
    score_faces,
    score_portraits,
)

if TYPE_CHECKING:
    Picture = TypeVar("Picture")

PRECISIONS: Final = ("fp32", "int8_u8s8", "int8_s8s8")
YUNET: Final = "yunet_n_dynamic.onnx"


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """All figures of one run; scores in [0, 1]."""

    emotion: Mapping[str, Mapping[str, float]]
    """Per precision: accuracy8, weighted_f1_9, macro_f1_9 on the FER+ test split."""
    face: Mapping[str, Mapping[str, float]]
    """Per precision: AP50 on ``crowds`` by least face height in px, at the largest input size."""
    face_input_px: int
    yunet: Mapping[str, float] | None
    """The same for YuNet at the same input size; None where its file is absent."""
    run_ms: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Per network, then precision: median milliseconds of a run on one thread."""
    portraits: Mapping[str, PortraitScores] = field(default_factory=dict)
    """Per precision: detector and classifier together on the portraits' valid identities."""

    def as_json(self) -> dict[str, Json]:
        """The scores alone, as ``python -m models evaluate --json`` prints them."""
        return {
            "emotion": {precision: dict(scores) for precision, scores in self.emotion.items()},
            "face": {precision: {"ap50": dict(scores)} for precision, scores in self.face.items()},
        }


def evaluate(
    data: EvaluationData,
    bundle: Path,
    families: tuple[str, str],
    *,
    limit: int | None,
    seed: int,
    say: Callable[[str], None],
) -> EvaluationReport:
    """Score and time every ONNX Runtime file of a detector and a classifier, each a family or an entry.

    At most ``limit`` pictures of each kind are judged, drawn by ``seed``; None is all. ``say`` takes a line
    per finished step.

    Raises:
        ModelError: Data or networks are missing or broken.
    """
    networks = _all_files(Bundle.load(bundle), families)
    detectors = _largest(networks, "face", "face_emotion")
    classifiers = _largest(networks, "emotion")
    crowds = _some(data.crowds, limit, seed)
    face = _each(
        detectors, lambda network: score_faces(network, crowds), f"{len(crowds)} photos of crowds", say
    )
    input_px = next(iter(detectors.values())).entry.input.height_px
    yunet = None
    if (peer := open_yunet(data.peers, input_px)) is not None:
        yunet = ap50_by_height(judge_yunet(peer, crowds, input_px))
        say("YuNet: scored on the same photos")
    test = data.ferplus_test
    test = test.select(sample_indices(len(test.images), limit, seed))
    emotion = _each(
        classifiers, lambda network: score_emotion(network, test).stated, f"{len(test.images)} faces", say
    )
    portraits = _some(data.portraits, limit, seed)
    together = {
        precision: score_portraits(detectors[precision], classifiers[precision], portraits)
        for precision in classifiers
        if precision in detectors
    }
    say(f"both together: scored on {len(portraits)} portraits")
    run_ms: dict[str, dict[str, float]] = {}
    for network, milliseconds in zip(networks, run_times_ms(networks), strict=True):
        run_ms.setdefault(network.name, {})[network.file.precision] = milliseconds
    return EvaluationReport(emotion, face, input_px, yunet, run_ms, together)


def _each(
    networks: Mapping[str, LoadedNetwork],
    score: Callable[[LoadedNetwork], Mapping[str, float]],
    judged: str,
    say: Callable[[str], None],
) -> dict[str, Mapping[str, float]]:
    """Scores by precision."""
    scores = {}
    for precision, network in networks.items():
        scores[precision] = score(network)
        say(f"{network.name} {precision}: scored on {judged}")
    return scores


def open_yunet(peers_dir: Path, input_px: int) -> cv2.FaceDetectorYN | None:
    """OpenCV's YuNet at a square input with all but its faintest detections; None without its file."""
    path = peers_dir / YUNET
    if not path.is_file():
        return None
    return cv2.FaceDetectorYN.create(str(path), "", (input_px, input_px), 0.02, 0.45, 5000)


def _some(pictures: Sequence[Picture], limit: int | None, seed: int) -> list[Picture]:
    return [pictures[index] for index in sample_indices(len(pictures), limit, seed)]


def _all_files(bundle: Bundle, families: tuple[str, ...]) -> list[LoadedNetwork]:
    """Every entry of the families in every precision it has for ONNX Runtime, on one thread."""
    return [
        load_network(bundle, name, entry, backend="onnxruntime", precision=precision, threads=1)
        for family in families
        for name, entry in named_entries(bundle, family).items()
        for precision in PRECISIONS
        if entry.file_for("onnxruntime", precision)
    ]


def _largest(networks: list[LoadedNetwork], *tasks: str) -> dict[str, LoadedNetwork]:
    """Of some tasks, the entry with the largest input, by precision.

    Raises:
        ModelError: No network is for these tasks.
    """
    fitting = [network for network in networks if network.entry.task in tasks]
    if not fitting:
        raise ModelError(f"no {tasks[0]} network was named that has a file for ONNX Runtime")
    largest = max(network.entry.input.height_px for network in fitting)
    return {
        network.file.precision: network for network in fitting if network.entry.input.height_px == largest
    }
