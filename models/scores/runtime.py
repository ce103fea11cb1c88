"""Scores of exported networks through the device's own code: letterbox, decoding, crop, runtime."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.boxes import as_array
from agent.classifier import Classifier
from agent.detector import Detector
from agent.domain import EMOTIONS, Track
from agent.frame import Frame
from agent.inference import InputImage, LoadedNetwork
from agent.settings import ClassifierSettings, DetectorSettings
from models.augment import Composition
from models.data import FerPlus, LabelledPhoto, Portrait, resized
from models.scores.aligned import AlignedPictures
from models.scores.expressions import EmotionScores, score_emotions
from models.scores.faces import OVERLAP, Judged, average_precision, outside_ignored

FACE_HEIGHTS_PX: Final = (8, 12, 16, 24)
"""Least face heights at the network's input for which AP50 is stated."""
EVALUATION: Final = DetectorSettings(score_threshold=0.02, nms_iou=0.5, max_faces=300, min_face_px=0.0)
"""Far below any useful threshold, so that the whole precision-recall curve is seen."""
Photo: TypeAlias = "LabelledPhoto | Composition"
"""A picture with boxes."""


@dataclass(frozen=True, slots=True)
class PortraitScores:
    """Detector and classifier together on single faces."""

    portraits: int
    found_share: float
    """Of the portraits whose best detection, at the default threshold, overlaps the face by half (IoU)."""
    accuracy: dict[str, float]
    """Per true emotion with at least one found portrait: share labelled as it is."""
    accuracy_all: float
    """Over all found portraits."""


def score_faces(network: LoadedNetwork, photos: Iterable[Photo]) -> dict[str, float]:
    """AP50 per least face height, keys "8", "12", "16", "24": see ``models.scores.faces``."""
    return ap50_by_height(judge_faces(network, photos))


def judge_faces(network: LoadedNetwork, photos: Iterable[Photo]) -> list[Judged]:
    """Truth and detections of each photo, in pixels of the network's input."""
    detector = Detector(network, EVALUATION)
    spec = network.entry.input
    judged = []
    for photo in photos:
        height, width = photo.pixels.shape[:2]
        scale = np.float32(min(spec.height_px / height, spec.width_px / width))
        faces = detector.detect(Frame(photo.pixels, 0.0, "evaluation", 0))
        boxes = as_array([face.box for face in faces]).astype(np.float32).reshape(-1, 4)
        scores = np.array([face.score for face in faces], np.float32)
        judged.append(_judged(photo, boxes, scores, scale))
    return judged


def score_aligned(network: LoadedNetwork, aligned: AlignedPictures) -> float:
    """Share of pictures of one face that a single-stage network finds and names rightly."""
    detector = Detector(network, EVALUATION)
    return aligned.share_right(
        lambda picture: next(iter(detector.detect(Frame(picture.pixels, 0.0, "evaluation", 0))), None)
    )


def judge_yunet(detector: cv2.FaceDetectorYN, photos: Iterable[Photo], input_px: int) -> list[Judged]:
    """Truth and YuNet's detections of each photo, in pixels of its input."""
    detector.setInputSize((input_px, input_px))
    judged = []
    for photo in photos:
        height, width = photo.pixels.shape[:2]
        if height != width:
            raise ValueError("YuNet is compared on square photos only")
        pixels = cv2.resize(photo.pixels, (input_px, input_px), interpolation=cv2.INTER_LINEAR)
        _, rows = detector.detect(pixels)
        found = np.zeros((0, 15), np.float32) if rows is None else np.asarray(rows, np.float32)
        scale = np.float32(input_px / width)
        boxes = np.hstack((found[:, :2], found[:, :2] + found[:, 2:4])).astype(np.float32) / scale
        judged.append(_judged(photo, boxes, found[:, 14], scale))
    return judged


def _judged(
    photo: Photo, boxes: NDArray[np.float32], scores: NDArray[np.float32], scale: np.float32
) -> Judged:
    """In network pixels, without detections that lie over an ignored region."""
    kept = outside_ignored(boxes, photo.ignored)
    return Judged(photo.faces * scale, boxes[kept] * scale, scores[kept])


def ap50_by_height(judged: Sequence[Judged]) -> dict[str, float]:
    """AP50 per least face height in pixels."""
    return {str(height): average_precision(judged, height) for height in FACE_HEIGHTS_PX}


def emotion_logits(network: LoadedNetwork, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """N×labels logits of N×S×S grey faces that need no further cropping."""
    runner = network.network
    picture = InputImage(network.entry.input, runner.input_buffer)
    logits = np.empty((len(images), len(network.entry.labels)), np.float32)
    for index, image in enumerate(resized(images, network.entry.input.height_px)):
        picture.pixels[...] = image
        picture.commit()
        logits[index] = runner.run()[0][0]
    return logits


def score_emotion(network: LoadedNetwork, split: FerPlus) -> EmotionScores:
    """Accuracy and F1 on a FER+ split, with the manifest's temperature and unknown threshold."""
    return score_emotions(
        emotion_logits(network, split.images),
        split.votes,
        temperature=network.entry.temperature,
        unknown_below=network.entry.unknown_below,
    )


def score_portraits(
    detector: LoadedNetwork, classifier: LoadedNetwork, portraits: Sequence[Portrait]
) -> PortraitScores:
    """Detect the best face of each portrait, classify it, compare with the portrait's label."""
    finder = Detector(detector, DetectorSettings())
    namer = Classifier(classifier, ClassifierSettings(), classifier.entry.unknown_below)
    found = np.zeros(len(EMOTIONS))
    right = np.zeros(len(EMOTIONS))
    for index, portrait in enumerate(portraits):
        colour = np.asarray(cv2.cvtColor(portrait.grey, cv2.COLOR_GRAY2BGR), np.uint8)
        frame = Frame(colour, 0.0, "evaluation", index)
        faces = finder.detect(frame)
        if not faces or faces[0].box.iou(portrait.face) < OVERLAP:
            continue
        track = Track(index, faces[0].box, faces[0].score, observed=True)
        namer.classify(frame, track, 0.0)
        (reading,) = namer.readings([track])
        found[portrait.label] += 1
        right[portrait.label] += reading.label == EMOTIONS[portrait.label]
        namer.forget(())
    return PortraitScores(
        portraits=len(portraits),
        found_share=float(found.sum() / max(1, len(portraits))),
        accuracy={name: float(right[i] / found[i]) for i, name in enumerate(EMOTIONS) if found[i]},
        accuracy_all=float(right.sum() / max(1.0, found.sum())),
    )


def run_times_ms(networks: Sequence[LoadedNetwork], rounds: int = 200) -> list[float]:
    """Median milliseconds of each network's run, taken in turns so that a disturbance hits all alike."""
    times = np.zeros((len(networks), rounds))
    for column in range(rounds):
        for row, network in enumerate(networks):
            started_s = time.perf_counter()
            network.network.run()
            times[row, column] = time.perf_counter() - started_s
    return [float(value) for value in np.median(times, axis=1) * 1000.0]
