"""Photos of crowds with what a detector found, missed and invented."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.detector import Detector
from agent.domain import Box, Face
from agent.frame import Frame
from agent.inference import LoadedNetwork
from agent.settings import DetectorSettings
from models.data import LabelledPhoto
from models.evaluation.subject import sample_indices
from models.scores import OVERLAP

PICTURES: Final = 6
FACES: Final = (3, 30)
"""In a photo worth showing."""
LEAST_PX: Final = 8.0
"""Height at the network's input from which a missed face is drawn: smaller ones are out of reach."""
ENLARGED: Final = 2
FOUND_BGR: Final = (80, 175, 76)
INVENTED_BGR: Final = (54, 67, 244)
MISSED_BGR: Final = (0, 193, 255)


@dataclass(frozen=True, slots=True)
class DrawnPhoto:
    """A finished picture and its tally."""

    jpeg: bytes
    found: int
    missed: int
    """At least ``LEAST_PX`` high at the network's input."""
    invented: int


def draw_crowds(
    network: LoadedNetwork, photos: Sequence[LabelledPhoto], seed: int, score_threshold: float
) -> list[DrawnPhoto]:
    """Detect on some photos, drawn by ``seed``, as the agent does from this score on; mark the outcome."""
    worth = [photo for photo in photos if FACES[0] <= len(photo.faces) <= FACES[1]]
    detector = Detector(network, DetectorSettings(score_threshold=score_threshold))
    spec = network.entry.input
    drawn_photos = []
    for index in sample_indices(len(worth), PICTURES, seed):
        photo = worth[index]
        height, width = photo.pixels.shape[:2]
        scale = min(spec.height_px / height, spec.width_px / width)
        faces = detector.detect(Frame(photo.pixels, 0.0, "evaluation", 0))
        drawn_photos.append(_drawn(photo, faces, LEAST_PX / scale))
    return drawn_photos


def matched(faces: Sequence[Face], truth: Sequence[Box]) -> list[int | None]:
    """Per detection, best first, the true face that it found (IoU 0.5); each is found at most once."""
    free = set(range(len(truth)))
    found: list[int | None] = []
    for face in faces:
        best = max(free, key=lambda index: face.box.iou(truth[index]), default=None)
        if best is None or face.box.iou(truth[best]) < OVERLAP:
            best = None
        else:
            free.remove(best)
        found.append(best)
    return found


def _drawn(photo: LabelledPhoto, faces: Sequence[Face], least_px: float) -> DrawnPhoto:
    truth = [Box(*row) for row in photo.faces.tolist()]
    outcome = matched(faces, truth)
    missed = [box for index, box in enumerate(truth) if index not in outcome and box.height >= least_px]
    canvas = np.asarray(
        cv2.resize(photo.pixels, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC), np.uint8
    )
    for box in missed:
        _mark(canvas, box, MISSED_BGR)
    for face, index in zip(faces, outcome, strict=True):
        _mark(canvas, face.box, INVENTED_BGR if index is None else FOUND_BGR)
    _, encoded = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, 85])
    invented = sum(index is None for index in outcome)
    return DrawnPhoto(encoded.tobytes(), len(outcome) - invented, len(missed), invented)


def _mark(canvas: NDArray[np.uint8], box: Box, colour: tuple[int, int, int]) -> None:
    corners = [round(ENLARGED * value) for value in (box.left, box.top, box.right, box.bottom)]
    cv2.rectangle(canvas, (corners[0], corners[1]), (corners[2], corners[3]), colour, 3, cv2.LINE_AA)
