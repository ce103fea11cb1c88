"""Whatever finds faces with their expressions in a picture: in two stages, or in one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from agent.detector import Detector
from agent.domain import EMOTIONS
from agent.frame import Frame
from agent.inference import InputImage, crop_face
from models.scores import probabilities

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent.domain import Box, Face
    from agent.inference import LoadedNetwork
    from agent.settings import DetectorSettings
    from models.evaluation.subject import Subject


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
