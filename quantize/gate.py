"""The condition under which an INT8 file may be written: it keeps what the FP32 network can do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from agent.errors import ModelError
from agent.inference import LoadedNetwork
from models.scores import Photo, score_faces

EMOTION_POINTS: Final = 0.5
"""Most percentage points of accuracy an emotion network may lose."""
FACE_POINTS: Final = 1.0
"""Most percentage points of AP50 a face network may lose."""
AGREEMENT_POINTS: Final = 3.0
"""Most percentage points by which an imported network may see other faces than its FP32 origin."""
GATE_HEIGHTS_PX: Final = (8, 16)


class GateRefusalError(ModelError):
    """An INT8 file lost too much; another way to quantise may lose less."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an INT8 file compares with its FP32 origin on held-out images."""

    name: str
    """Of the network and precision, for messages."""
    fp32: Mapping[str, float]
    """Scores in [0, 1]."""
    int8: Mapping[str, float]
    """The same keys."""
    allowed_points: float

    @property
    def lost_points(self) -> Mapping[str, float]:
        """Percentage points by which INT8 is worse, per score; negative where it is better."""
        return {key: (self.fp32[key] - self.int8[key]) * 100.0 for key in self.fp32}

    @property
    def passes(self) -> bool:
        """Whether no score loses more than allowed; a score that isn't a number never passes."""
        return all(lost <= self.allowed_points for lost in self.lost_points.values())

    def enforce(self) -> None:
        """Refuse a file that lost too much.

        Raises:
            GateRefusalError: The gate is not passed; the scores are named.
        """
        if self.passes:
            return
        lost = ", ".join(f"{key} {value:.2f}" for key, value in self.lost_points.items())
        raise GateRefusalError(
            f"{self.name} loses more than {self.allowed_points} points on held-out images ({lost}):"
            " it was not written; calibrate on more images or keep more layers in float",
        )


def manifest_ap50(network: LoadedNetwork, photos: Iterable[Photo]) -> dict[str, float]:
    """AP50 of a detector for each least face height."""
    return {f"ap50_{height}px": value for height, value in score_faces(network, photos).items()}


def gate_ap50(network: LoadedNetwork, photos: Iterable[Photo]) -> dict[str, float]:
    """AP50 for ``GATE_HEIGHTS_PX`` alone."""
    scores = manifest_ap50(network, photos)
    return {key: scores[key] for key in (f"ap50_{height}px" for height in GATE_HEIGHTS_PX)}
