"""Estimates the expression of tracked faces and smooths it over each track's life."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.domain import EMOTIONS, LABELS, UNKNOWN, Reading, Track
from agent.errors import ModelError
from agent.inference import InputImage, LoadedNetwork, crop_face

if TYPE_CHECKING:
    from agent.frame import Frame
    from agent.inference.bundle import NetworkEntry
    from agent.settings import ClassifierSettings


@dataclass(slots=True)
class _Estimate:
    """What is remembered of one track."""

    weights: NDArray[np.float64]
    """Exponentially decayed sum of probability vectors, as of ``voted_at_s``."""
    voted_at_s: float
    reading: Reading
    """What follows from the weights; decay scales them all alike and so leaves it as it is."""
    mirror_next: bool = True
    """Whether the next vote looks at the mirror image."""


class Classifier:
    """Votes and their smoothing; with a single-stage detector only the smoothing."""

    def __init__(
        self, network: LoadedNetwork | None, settings: ClassifierSettings, calibrated_floor: float
    ) -> None:
        """Check the network against the labels this project counts.

        Args:
            network: None when the detector brings emotion scores along.
            settings: Vote interval, smoothing, confidence floor.
            calibrated_floor: Confidence below which the expression is unknown, unless the settings say.

        Raises:
            ModelError: The network's labels or outputs are of no known kind.
        """
        self._settings = settings
        self._estimates: dict[int, _Estimate] = {}
        self._unknown_below = calibrated_floor if settings.unknown_below is None else settings.unknown_below
        self._runner = None if network is None else _Runner(network)

    def stale(self, tracks: Sequence[Track], now_s: float) -> list[Track]:
        """Observed tracks that need a fresh vote, most urgent first.

        Never-classified ones come first, then the oldest vote; the bigger face breaks ties. Emotion
        scores of a single-stage detector are folded in here, and nothing is left to classify.
        """
        if self._runner is None:
            for track in tracks:
                if track.observed and track.emotion_scores is not None:
                    self._fold(track.track_id, np.array(track.emotion_scores), now_s)
            return []
        oldest_s = now_s - self._settings.revote_ms / 1000.0
        due = [track for track in tracks if track.observed and self._voted_at_s(track) <= oldest_s]
        return sorted(due, key=lambda track: (self._voted_at_s(track), -track.box.area))

    def classify(self, frame: Frame, track: Track, now_s: float) -> None:
        """Run the network once on the track's face and fold the result into its estimate.

        Every other vote of a track looks at the face's mirror image: the network errs differently there,
        so the mean of both is more often right, and costs nothing (Krizhevsky et al. 2012, section 4.1).

        Raises:
            ModelError: There is no classification network.
        """
        if self._runner is None:
            raise ModelError("the detector classifies by itself: there is no network to run on a crop")
        estimate = self._estimates.get(track.track_id)
        mirrored = estimate is not None and estimate.mirror_next
        self._fold(track.track_id, self._runner.probabilities(frame, track, mirrored=mirrored), now_s)

    def readings(self, tracks: Sequence[Track]) -> list[Reading]:
        """The present estimate of every given track that has one."""
        return [
            self._estimates[track.track_id].reading for track in tracks if track.track_id in self._estimates
        ]

    def forget(self, live_track_ids: Collection[int]) -> None:
        """Drop the estimates of all other tracks."""
        for track_id in self._estimates.keys() - live_track_ids:
            del self._estimates[track_id]

    def _voted_at_s(self, track: Track) -> float:
        estimate = self._estimates.get(track.track_id)
        return -math.inf if estimate is None else estimate.voted_at_s

    def _fold(self, track_id: int, probabilities: NDArray[np.float64], now_s: float) -> None:
        estimate = self._estimates.get(track_id)
        if estimate is None:
            weights = probabilities.copy()
            self._estimates[track_id] = _Estimate(weights, now_s, self._read(track_id, weights))
            return
        age_ms = max(0.0, now_s - estimate.voted_at_s) * 1000.0
        estimate.weights *= 0.5 ** (age_ms / self._settings.half_life_ms)
        estimate.weights += probabilities
        estimate.voted_at_s = now_s
        estimate.mirror_next = not estimate.mirror_next
        estimate.reading = self._read(track_id, estimate.weights)

    def _read(self, track_id: int, weights: NDArray[np.float64]) -> Reading:
        leading = int(weights.argmax())
        confidence = float(weights[leading] / weights.sum())
        label = UNKNOWN if confidence < self._unknown_below else LABELS[leading]
        return Reading(track_id, label, confidence)


class _Runner:
    """The network with its crop buffer and its output scale."""

    def __init__(self, network: LoadedNetwork) -> None:
        _check_entry(network.name, network.entry, network.network.output_shapes)
        self._network = network.network
        self._image = InputImage(network.entry.input, self._network.input_buffer)
        self._crop_scale = network.entry.crop_scale
        self._temperature = network.entry.temperature

    def probabilities(self, frame: Frame, track: Track, *, mirrored: bool) -> NDArray[np.float64]:
        """8 or 9 probabilities in ``LABELS`` order."""
        crop_face(frame.pixels, track.box, self._crop_scale, self._image.pixels)
        if mirrored:
            cv2.flip(self._image.pixels, 1, dst=self._image.pixels)
        self._image.commit()
        (logits,) = self._network.run()
        return softmax(logits[0], self._temperature)


def softmax(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """Probabilities of one row of logits; uniform where the network answered nothing finite."""
    scaled = logits.astype(np.float64) / temperature
    if not np.isfinite(scaled).all():
        return np.full(scaled.size, 1.0 / scaled.size)
    weights = np.exp(scaled - scaled.max())
    return np.asarray(weights / weights.sum())


def _check_entry(name: str, entry: NetworkEntry, output_shapes: tuple[tuple[int, ...], ...]) -> None:
    if entry.task != "emotion":
        raise ModelError(
            f"network {name!r} is no classifier (task {entry.task!r}): choose another in models.classifier"
        )
    if entry.labels not in {EMOTIONS, LABELS}:
        raise ModelError(
            f"network {name!r} has the labels {', '.join(entry.labels)}: the classifier needs"
            f" {', '.join(EMOTIONS)}, with or without a trailing {UNKNOWN}",
        )
    if output_shapes != ((1, len(entry.labels)),):
        shapes = ", ".join("x".join(str(size) for size in shape) for shape in output_shapes)
        raise ModelError(
            f"network {name!r} answers {shapes or 'nothing'} where 1x{len(entry.labels)} logits are needed:"
            " export it with one row of logits",
        )
    if entry.input.height_px != entry.input.width_px:
        raise ModelError(
            f"network {name!r} takes {entry.input.width_px}x{entry.input.height_px} px: a crop is square",
        )
