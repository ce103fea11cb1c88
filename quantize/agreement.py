"""How far a quantised detector sees what its FP32 origin sees, where nobody has labelled the pictures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.detector import Detector
from agent.domain import Face
from agent.errors import ModelError
from agent.frame import Frame
from agent.inference import LoadedNetwork
from agent.settings import DetectorSettings
from models.scores import OVERLAP

THRESHOLD: Final = DetectorSettings().score_threshold
SLACK: Final = 0.1
"""By which the other network's score may be lower: a face at the threshold is no disagreement."""
FEWEST_FACES: Final = 10
"""Fewer say nothing about agreement."""
_SETTINGS: Final = DetectorSettings(score_threshold=THRESHOLD - SLACK, min_face_px=0.0)


class Agreement:
    """Scores every network by its agreement with the first one scored, in [0, 1]."""

    def __init__(self, pictures: Iterable[NDArray[np.uint8]]) -> None:
        """Take the pictures, H×W×3 uint8 BGR; they are gone through at every call."""
        self._pictures = pictures
        self._origin: list[list[Face]] | None = None

    def __call__(self, network: LoadedNetwork) -> dict[str, float]:
        """The score, by name.

        Raises:
            ModelError: The first network finds next to nothing in the pictures.
        """
        detector = Detector(network, _SETTINGS)
        found = [
            detector.detect(Frame(pixels, 0.0, "agreement", index))
            for index, pixels in enumerate(self._pictures)
        ]
        if self._origin is None:
            count = sum(_is_sure(face) for faces in found for face in faces)
            if count < FEWEST_FACES:
                raise ModelError(
                    f"{network.name} finds only {count} face(s) in {len(found)} pictures kept for comparison:"
                    f" give --images a folder in which it finds {FEWEST_FACES} or more",
                )
            self._origin = found
        return {"agreement": agreement(self._origin, found)}


def agreement(first: list[list[Face]], second: list[list[Face]]) -> float:
    """Share of either side's faces above ``THRESHOLD`` that the other has as well, picture by picture.

    A face is had by the other side if a box of at least ``THRESHOLD - SLACK`` overlaps it by half (IoU), and
    where both tell expressions, the first's leading one is the other's or within ``SLACK`` of it.
    """
    had, total = 0, 0
    for one, other in zip(first, second, strict=True):
        for own, against in ((one, other), (other, one)):
            sure = [face for face in own if _is_sure(face)]
            total += len(sure)
            had += _count_had(sure, against)
    return had / total if total else 1.0


def _is_sure(face: Face) -> bool:
    return face.score >= THRESHOLD


def _count_had(sure: list[Face], against: list[Face]) -> int:
    free = list(against)
    count = 0
    for face in sure:
        best = max(free, key=lambda other: face.box.iou(other.box), default=None)
        if best is not None and face.box.iou(best.box) >= OVERLAP and _alike(face, best):
            free.remove(best)
            count += 1
    return count


def _alike(face: Face, other: Face) -> bool:
    if face.emotion_scores is None or other.emotion_scores is None:
        return True
    leading = int(np.argmax(face.emotion_scores))
    return other.emotion_scores[leading] >= max(other.emotion_scores) - SLACK
