"""Finds the faces of one frame with a YOLO of any known head."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agent.domain import EMOTIONS, Box, Face
from agent.errors import ModelError
from agent.inference import Letterbox, LetterboxPlan, LoadedNetwork
from agent.inference.heads import (
    CANDIDATE_LIMIT,
    CANDIDATES_PER_FACE,
    Detections,
    find_layout,
    make_decoder,
    suppress,
)

if TYPE_CHECKING:
    from agent.frame import Frame
    from agent.inference.bundle import NetworkEntry
    from agent.settings import DetectorSettings


class Detector:
    """One detector network at one input size; not safe for two threads at once."""

    def __init__(
        self, network: LoadedNetwork, settings: DetectorSettings, *, expressions: bool = True
    ) -> None:
        """Match the network's outputs to a head layout.

        Args:
            network: Of any known head.
            settings: Thresholds.
            expressions: Whether a single-stage network's are handed on; else it finds faces only.

        Raises:
            ModelError: The outputs or the labels are of no known kind.
        """
        entry = network.entry
        self._network = network.network
        self._settings = settings
        self._letterbox = Letterbox(entry.input, self._network.input_buffer)
        layout = find_layout(entry, self._network.output_shapes)
        candidates = max(CANDIDATE_LIMIT, CANDIDATES_PER_FACE * settings.max_faces)
        self._decoder = make_decoder(layout, (entry.input.height_px, entry.input.width_px), candidates)
        columns = _emotion_columns(network.name, entry)
        self._emotion_columns = columns if expressions else None

    def detect(self, frame: Frame) -> list[Face]:
        """Faces of a frame, best first.

        Returns:
            At most ``max_faces``; boxes in frame pixels, clipped to the frame, at least
            ``min_face_px`` high. A single-stage network fills ``emotion_scores``.
        """
        if frame.width < 1 or frame.height < 1:
            return []
        plan = self._letterbox.fill(frame.pixels)
        outputs = self._network.run()
        found = self._decoder.decode(outputs, self._settings.score_threshold)
        if not found.scores.size:
            return []
        found = suppress(found, self._settings.nms_iou, self._settings.max_faces)
        return self._faces(found, plan, frame)

    def _faces(self, found: Detections, plan: LetterboxPlan, frame: Frame) -> list[Face]:
        edges = np.array((frame.width, frame.height, frame.width, frame.height), np.float32)
        boxes = np.clip(plan.to_frame(found.boxes), 0.0, edges)
        scores = np.clip(found.scores, 0.0, 1.0).tolist()
        emotions = self._emotion_scores(found.class_scores)
        return [
            Face(Box(left, top, right, bottom), score, emotion)
            for (left, top, right, bottom), score, emotion in zip(
                boxes.tolist(), scores, emotions, strict=False
            )
            if right > left and bottom > top and bottom - top >= self._settings.min_face_px
        ]

    def _emotion_scores(self, class_scores: NDArray[np.float32] | None) -> Iterable[tuple[float, ...] | None]:
        """One for each box; a face-only network has none for any."""
        if self._emotion_columns is None or class_scores is None:
            return repeat(None)
        chosen = class_scores @ self._emotion_columns
        total = np.maximum(chosen.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return [tuple(row) for row in (chosen / total).tolist()]


def _emotion_columns(name: str, entry: NetworkEntry) -> NDArray[np.float32] | None:
    """C×8 matrix that brings class scores into ``EMOTIONS`` order; None for a face-only network."""
    if entry.task == "face":
        if len(entry.labels) != 1:
            raise ModelError(
                f"network {name!r} is a face detector with {len(entry.labels)} labels:"
                ' keep one, or set task = "face_emotion" in the manifest',
            )
        return None
    if entry.task != "face_emotion":
        raise ModelError(
            f"network {name!r} is no detector (task {entry.task!r}): choose another in models.detector"
        )
    unknown = sorted(set(entry.labels) - set(EMOTIONS))
    if unknown or len(set(entry.labels)) != len(entry.labels) or len(entry.labels) == 1:
        raise ModelError(
            f"network {name!r} has the labels {', '.join(entry.labels)}: a single-stage detector needs two or"
            f" more different ones of {', '.join(EMOTIONS)}",
        )
    return np.eye(len(EMOTIONS), dtype=np.float32)[[EMOTIONS.index(label) for label in entry.labels]]
