"""Multi-scale aligned faces: one FER+ face of M×M pixels amid a black picture of 640×640.

The protocol of a report on YOLOv6 as a single-stage expression detector, and its reference in two stages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from agent.boxes import as_array
from agent.detector import Detector
from agent.domain import EMOTIONS, Box, Face, Json
from agent.frame import Frame
from agent.inference import InputImage, LoadedNetwork, crop_face
from agent.settings import DetectorSettings
from models.augment import covered_share
from models.data import FerPlus, majority
from models.evaluation.sheet import Sheet
from models.evaluation.subject import Subject
from models.scores import OVERLAP, on_canvas, probabilities

CANVAS_PX: Final = 640
SIZES_PX: Final = (48, 96, 192, 384, 640)
ANY_SCORE: Final = DetectorSettings(score_threshold=0.02, max_faces=1)
"""The best detection of each picture, whatever its score; suppression never drops the best."""
LEAST_INSIDE: Final = 0.5
LEAST_HEIGHT: Final = 1 / 3
"""Share of a detection's area that lies in the face's square, and of the square's height that it has, to
count as the face. FER+ cuts some faces at the brow and others at the shoulders, so an exact box may fill
little of the square; how many fill half of it (IoU) is told beside it."""
PUBLISHED: Final = {
    "YOLOv6-S, weighted loss": 0.4085,
    "YOLOv6-M, weighted loss": 0.4936,
    "YOLOv6-L, weighted loss": 0.5029,
    "VGG and MTCNN, two stages": 0.7328,
}
"""Mean accuracy over the five sizes, on FER2013's own labels."""


@dataclass(frozen=True, slots=True)
class ReaderScores:
    """Shares in [0, 1] of all faces, by their side in pixels."""

    found: Mapping[int, float]
    """The best detection passes the subject's threshold and lies on the face: see ``LEAST_INSIDE``."""
    filling: Mapping[int, float]
    """Likewise, and it overlaps the whole square by half (IoU)."""
    right: Mapping[int, float]
    """Found, and the best of the eight expressions is the taggers' majority."""
    right_any_score: Mapping[int, float]
    """Likewise for the best detection whatever its score."""


@dataclass(frozen=True, slots=True)
class AlignedScores:
    """Of every way to read a face."""

    faces: int
    score_threshold: float
    precision: str
    classifier: str
    """Of the reader in two stages."""
    readers: Mapping[str, ReaderScores]

    def as_json(self) -> dict[str, Json]:
        """All figures, with the mean over the sizes."""
        return {
            **asdict(self),
            "readers": {
                name: {
                    kind: {**{str(size): share for size, share in by_size.items()}, "mean": _mean(by_size)}
                    for kind, by_size in asdict(scores).items()
                }
                for name, scores in self.readers.items()
            },
            "published_mean": dict(PUBLISHED),
        }

    def sheets(self) -> list[Sheet]:
        """Expressions beside the published means, then faces."""
        named, found = [], []
        for name, scores in self.readers.items():
            named += [_row(name, scores.right), _row("  the same, any score", scores.right_any_score)]
            found += [_row(name, scores.found), _row("  and fills half of the square", scores.filling)]
        blank = ("",) * len(SIZES_PX)
        named += [(f"published: {name}", *blank, f"{mean:.2%}") for name, mean in PUBLISHED.items()]
        columns = ("", *(f"{size} px" for size in SIZES_PX), "mean")
        note = (
            f"{self.faces} faces of FER+ test amid {CANVAS_PX}×{CANVAS_PX} black pixels, eight classes;"
            f" classifier {self.classifier}, {self.precision}. Detections count from score"
            f" {self.score_threshold:.2f}, a missed face as a wrong one."
            " Ours are on the FER+ votes, the published on FER2013's labels."
        )
        return [
            Sheet("Aligned faces by size: expression right", columns, tuple(named), note),
            Sheet("Aligned faces by size: face found", columns, tuple(found)),
        ]


class FaceReader(Protocol):
    """What the protocols need of a network or of a pair of them."""

    @property
    def name(self) -> str:
        """For a table's row."""

    def read(self, pixels: NDArray[np.uint8]) -> list[Face]:
        """Faces of a picture H×W×3 uint8 BGR, best first, each with ``emotion_scores``."""


class SingleStage:
    """A detector whose scores say the expression."""

    def __init__(self, network: LoadedNetwork, settings: DetectorSettings) -> None:
        self.name = f"one stage: {network.name}, {network.file.precision}"
        self._detector = Detector(network, settings)

    def read(self, pixels: NDArray[np.uint8]) -> list[Face]:
        """See :class:`FaceReader`."""
        return self._detector.detect(Frame(pixels, 0.0, "evaluation", 0))


class TwoStage:
    """A face detector and a classifier on the crop of each face, cut as the agent cuts it."""

    def __init__(
        self, detector: LoadedNetwork, classifier: LoadedNetwork, settings: DetectorSettings
    ) -> None:
        self.name = f"two stages: {detector.name}"
        self._detector = Detector(detector, settings)
        self._classifier = classifier
        self._image = InputImage(classifier.entry.input, classifier.network.input_buffer)

    def read(self, pixels: NDArray[np.uint8]) -> list[Face]:
        """See :class:`FaceReader`."""
        faces = self._detector.detect(Frame(pixels, 0.0, "evaluation", 0))
        return [replace(face, emotion_scores=self._expression(pixels, face.box)) for face in faces]

    def _expression(self, pixels: NDArray[np.uint8], box: Box) -> tuple[float, ...]:
        """Probabilities of the eight expressions; a logit for unknown is left out, as the protocols do."""
        crop_face(pixels, box, self._classifier.entry.crop_scale, self._image.pixels)
        self._image.commit()
        logits = self._classifier.network.run()[0][0][: len(EMOTIONS)]
        return tuple(probabilities(logits, self._classifier.entry.temperature).tolist())


def readers(subject: Subject, settings: DetectorSettings) -> list[FaceReader]:
    """The detector with the classifier, then every single-stage network of the bundle."""
    pairs: list[FaceReader] = []
    if subject.detector.entry.task == "face":
        pairs.append(TwoStage(subject.detector, subject.classifier, settings))
    return [*pairs, *(SingleStage(network, settings) for network in subject.single_stage)]


def run_aligned(subject: Subject, say: Callable[[str], None]) -> AlignedScores:
    """Judge every reader of a bundle on the FER+ test faces.

    Raises:
        ModelError: The data are missing or broken.
    """
    faces = subject.ferplus("classes8")
    scores = {}
    for reader in readers(subject, ANY_SCORE):
        scores[reader.name] = judge(reader, faces, subject.score_threshold)
        say(f"{reader.name}: {len(faces.images)} faces at {len(SIZES_PX)} sizes")
    namer = subject.classifier
    return AlignedScores(len(faces.images), subject.score_threshold, namer.file.precision, namer.name, scores)


def judge(reader: FaceReader, faces: FerPlus, score_threshold: float) -> ReaderScores:
    """Shares found and named rightly by one reader, on faces of the eight-class protocol."""
    truth = majority(faces.votes)
    totals = np.zeros((4, len(SIZES_PX)))
    for column, size_px in enumerate(SIZES_PX):
        for image, label in zip(faces.images, truth, strict=True):
            best = _outcome(reader, image, int(label), size_px)
            passes = best.score >= score_threshold
            counts = (passes, passes and best.fills, passes and best.right, best.right)
            totals[:, column] += np.array(counts) & best.on_face
    shares = totals / max(1, len(truth))
    return ReaderScores(*(dict(zip(SIZES_PX, row.tolist(), strict=True)) for row in shares))


@dataclass(frozen=True, slots=True)
class _Best:
    """What the best detection of a picture is worth."""

    on_face: bool = False
    fills: bool = False
    right: bool = False
    score: float = 0.0


def _outcome(reader: FaceReader, image: NDArray[np.uint8], label: int, size_px: int) -> _Best:
    pixels, square = on_canvas(image, size_px, CANVAS_PX)
    seen = reader.read(pixels)
    if not seen:
        return _Best()
    box, scores = seen[0].box, seen[0].emotion_scores or (0.0,) * len(EMOTIONS)
    corners = as_array([box, square]).astype(np.float32)
    inside = float(covered_share(corners[:1], corners[1])[0])
    return _Best(
        on_face=inside >= LEAST_INSIDE and box.height >= LEAST_HEIGHT * square.height,
        fills=box.iou(square) >= OVERLAP,
        right=max(range(len(scores)), key=scores.__getitem__) == label,
        score=seen[0].score,
    )


def _row(name: str, by_size: Mapping[int, float]) -> tuple[str, ...]:
    return (name, *(f"{by_size[size]:.2%}" for size in SIZES_PX), f"{_mean(by_size):.2%}")


def _mean(by_size: Mapping[int, float]) -> float:
    return float(np.mean(list(by_size.values())))
