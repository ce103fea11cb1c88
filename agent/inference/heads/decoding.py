"""From a detector's raw outputs to boxes: decoding and non-maximum suppression in float NumPy.

    raw outputs ──► decode ──► suppress

The last steps of a YOLO stay outside the graph because quantising them kills the scores. Cells are
filtered on the raw logit before any exponential is taken, so an empty scene costs one comparison
per cell.

``layout`` tells what the outputs mean. The distance bins of ``yolo_dfl`` are those of Li et al.
2020, "Generalized Focal Loss", section 3.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from agent.boxes import pairwise_iou
from agent.inference.heads.anchor_maps import AnchorMapDecoder
from agent.inference.heads.detections import Detections, best_first, nothing, sigmoid
from agent.inference.heads.layout import BOX_BINS, DISTANCE_BINS, Layout

CANDIDATE_LIMIT: Final = 300
"""Best-scored cells that enter suppression unless more faces are asked for; bounds the cost of a crowd."""
CANDIDATES_PER_FACE: Final = 4
"""Cells that typically answer to one face."""
_BLOCK: Final = 64


class Decoder(Protocol):
    """Turns one network's raw outputs into scored boxes."""

    def decode(self, outputs: Sequence[NDArray[Any]], score_threshold: float) -> Detections:
        """Boxes that score at least ``score_threshold``, best first, overlaps included.

        Args:
            outputs: As :meth:`agent.inference.network.Network.run` returns them.
            score_threshold: In (0, 1).

        Returns:
            At most ``CANDIDATE_LIMIT`` boxes, finite and not empty.
        """


def make_decoder(
    layout: Layout, input_hw_px: tuple[int, int], candidate_limit: int = CANDIDATE_LIMIT
) -> Decoder:
    """Build the decoder of a recognised layout for one input size."""
    if layout.head in {"yolo_ltrb", "yolo_dfl"}:
        return MapDecoder(layout, input_hw_px, candidate_limit)
    if layout.head == "yolo_anchor_maps":
        return AnchorMapDecoder(layout, input_hw_px, candidate_limit)
    return RowDecoder(layout, input_hw_px, candidate_limit)


class MapDecoder:
    """Decodes one raw map per stride (``yolo_ltrb``, ``yolo_dfl``)."""

    def __init__(self, layout: Layout, input_hw_px: tuple[int, int], candidate_limit: int) -> None:
        self._classes = layout.class_count
        self._limit = candidate_limit
        self._height_px, self._width_px = input_hw_px
        self._has_bins = layout.head == "yolo_dfl"
        self._first_logit = layout.first_class
        self._first_box = 0 if self._has_bins else self._classes
        self._strides = layout.strides
        self._columns = tuple(self._width_px // stride for stride in layout.strides)

    def decode(self, outputs: Sequence[NDArray[Any]], score_threshold: float) -> Detections:
        """See :class:`Decoder`."""
        least_logit = math.log(score_threshold / (1.0 - score_threshold))
        maps = [output.reshape(output.shape[1], -1) for output in outputs]
        logits: list[NDArray[np.float32]] = []
        cells: list[NDArray[np.intp]] = []
        for raw in maps:
            best = self._best_logit(raw)
            cell = np.flatnonzero(best >= least_logit)
            cells.append(cell)
            logits.append(best[cell])
        least_logit = self._raised_threshold(logits, least_logit)
        parts = [
            self._decode_map(level, maps[level], cells[level][logits[level] >= least_logit])
            for level in range(len(maps))
            if cells[level].size
        ]
        if not parts:
            return nothing(self._classes)
        boxes = np.concatenate([part[0] for part in parts])
        scores = sigmoid(np.concatenate([part[1] for part in parts]))
        return best_first(boxes, scores, self._limit, (self._height_px, self._width_px))

    def _best_logit(self, raw: NDArray[Any]) -> NDArray[Any]:
        if self._classes == 1:
            return np.asarray(raw[self._first_logit])
        return np.asarray(raw[self._first_logit : self._first_logit + self._classes].max(axis=0))

    def _raised_threshold(self, logits: Sequence[NDArray[np.float32]], least_logit: float) -> float:
        """Of the ``limit``-th best cell where more than that pass, so that only those are decoded."""
        if sum(part.size for part in logits) <= self._limit:
            return least_logit
        together = np.concatenate(logits)
        return float(np.partition(together, -self._limit)[-self._limit])

    def _decode_map(
        self, level: int, raw: NDArray[Any], cell: NDArray[np.intp]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """K×4 boxes in pixels and K×C logits of some cells."""
        stride = np.float32(self._strides[level])
        rows, columns = np.divmod(cell, self._columns[level])
        if self._has_bins:
            distances = _expected_distances(raw[:BOX_BINS, cell])
        else:
            distances = raw[self._first_box : self._first_box + 4, cell]
        distances = np.maximum(distances, 0.0) * stride
        centre_x = (columns + 0.5).astype(np.float32) * stride
        centre_y = (rows + 0.5).astype(np.float32) * stride
        boxes = np.empty((cell.size, 4), np.float32)
        np.subtract(centre_x, distances[0], out=boxes[:, 0])
        np.subtract(centre_y, distances[1], out=boxes[:, 1])
        np.add(centre_x, distances[2], out=boxes[:, 2])
        np.add(centre_y, distances[3], out=boxes[:, 3])
        return boxes, raw[self._first_logit : self._first_logit + self._classes, cell].T


class RowDecoder:
    """Decodes one output of finished rows (``yolo_fused``, ``yolo_anchor``)."""

    def __init__(self, layout: Layout, input_hw_px: tuple[int, int], candidate_limit: int) -> None:
        self._has_objectness = layout.head == "yolo_anchor"
        self._classes = layout.class_count
        self._first_class = layout.first_class
        self._rows_first = self._has_objectness or layout.transposed
        self._limit = candidate_limit
        self._input_hw_px = input_hw_px

    def decode(self, outputs: Sequence[NDArray[Any]], score_threshold: float) -> Detections:
        """See :class:`Decoder`."""
        table = outputs[0][0].T if self._rows_first else outputs[0][0]
        classes = slice(self._first_class, self._first_class + self._classes)
        if self._has_objectness:
            # A product of probabilities can't pass where its first factor doesn't.
            passing = np.flatnonzero(table[4] >= score_threshold)
            chosen = table[:, passing]
            scores = chosen[classes] * chosen[4]
            kept = scores.max(axis=0, initial=0.0) >= score_threshold
            chosen, scores = chosen[:, kept], scores[:, kept]
        else:
            best = table[self._first_class] if self._classes == 1 else table[classes].max(axis=0)
            chosen = table[:, np.flatnonzero(best >= score_threshold)]
            scores = chosen[classes]
        if not chosen.shape[1]:
            return nothing(self._classes)
        half = chosen[2:4] * np.float32(0.5)
        boxes = np.concatenate((chosen[:2] - half, chosen[:2] + half)).T
        return best_first(boxes, scores.T, self._limit, self._input_hw_px)


def suppress(found: Detections, iou_threshold: float, limit: int) -> Detections:
    """Greedy non-maximum suppression over all classes together.

    Works through the candidates a block at a time: a few large operations, but never a matrix of all
    against all, whose fresh memory would cost more than the arithmetic.

    Args:
        found: Best first, as a decoder returns it.
        iou_threshold: A box that overlaps a better kept one by more than this is dropped.
        limit: Most boxes to keep.
    """
    alive = np.arange(found.scores.size)
    kept: list[int] = []
    while alive.size and len(kept) < limit:
        block = alive[:_BLOCK]
        overlaps = pairwise_iou(found.boxes[block], found.boxes[alive]) > iou_threshold
        dead = np.zeros(alive.size, bool)
        for row, index in enumerate(block.tolist()):
            if not dead[row]:
                kept.append(index)
                dead |= overlaps[row]
        alive = alive[block.size :][~dead[block.size :]]
    taken = np.array(kept[:limit], np.intp)
    class_scores = None if found.class_scores is None else found.class_scores[taken]
    return Detections(found.boxes[taken], found.scores[taken], class_scores)


def _expected_distances(bins: NDArray[Any]) -> NDArray[np.float32]:
    """Mean of the 16-bin distribution of each side: 64×K logits to 4×K strides."""
    logits = bins.reshape(4, DISTANCE_BINS, -1)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    mean = np.tensordot(np.arange(DISTANCE_BINS, dtype=np.float32), weights, axes=(0, 1))
    return np.asarray(mean / weights.sum(axis=1))
