"""From a detector's raw outputs to boxes: decoding and non-maximum suppression in float NumPy.

    raw outputs ──► find_layout (once) ──► make_decoder (once) ──► decode ──► suppress

The last steps of a YOLO stay outside the graph because quantising them kills the scores. Cells are
filtered on the raw logit before any exponential is taken, so an empty scene costs one comparison
per cell.

| head          | outputs                       | channels                                              |
|---------------|-------------------------------|-------------------------------------------------------|
| `yolo_ltrb`   | one 1×(C+4)×h×w per stride    | C logits; distances left, top, right, bottom, strides |
| `yolo_dfl`    | one 1×(64+C+E)×h×w per stride | 4×16 distance bins; C logits; E unused (landmarks)    |
| `yolo_fused`  | 1×(4+C)×N (YOLOv8, 11)        | centre x, y, width, height in px; C probabilities     |
| `yolo_anchor` | 1×N×(5+C) (YOLOv5, v6)        | centre x, y, width, height in px; objectness; C prob. |

The distance bins are those of Li et al. 2020, "Generalized Focal Loss", section 3.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import numpy as np

from agent.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from agent.inference.manifest import NetworkEntry

CANDIDATE_LIMIT: Final = 300
"""Best-scored cells that enter suppression; bounds the cost of a crowd."""
DISTANCE_BINS: Final = 16
_BOX_BINS: Final = 4 * DISTANCE_BINS
_DEFAULT_STRIDES: Final = (8, 16, 32)
_ANCHORS_PER_CELL: Final = (1, 3)


class Detections(NamedTuple):
    """Boxes of one picture, best first."""

    boxes: NDArray[np.float32]
    """N×4 left, top, right, bottom in network pixels, inside the input."""
    scores: NDArray[np.float32]
    """N, in [0, 1]."""
    class_scores: NDArray[np.float32] | None
    """N×C in [0, 1]; None for a network with a single class."""


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


@dataclass(frozen=True, slots=True)
class Layout:
    """Which table row of this module a network's outputs follow."""

    head: str
    class_count: int
    strides: tuple[int, ...] = ()
    """Per output; empty for a head with a single output."""
    transposed: bool = False
    """``yolo_fused`` as 1×N×(4+C)."""


def find_layout(entry: NetworkEntry, output_shapes: Sequence[tuple[int, ...]]) -> Layout:
    """Recognise a detector's head, or check the one its manifest names.

    Raises:
        ModelError: No known head, or not the named one, has outputs of these shapes.
    """
    classes = len(entry.labels)
    found = _layout_of_maps(entry, output_shapes, classes) or _layout_of_rows(entry, output_shapes, classes)
    if found is not None and entry.head in {"auto", found.head}:
        return found
    shapes = ", ".join("x".join(str(size) for size in shape) for shape in output_shapes) or "none"
    wanted = "any known YOLO head" if entry.head == "auto" else f"head {entry.head!r}"
    raise ModelError(
        f"a network with outputs {shapes} does not fit {wanted} with {classes} class(es) at"
        f" {entry.input.width_px}x{entry.input.height_px} px: export raw YOLOv6/v8/11 maps, or the fused"
        " output without NMS",
    )


def _layout_of_maps(entry: NetworkEntry, shapes: Sequence[tuple[int, ...]], classes: int) -> Layout | None:
    strides = entry.strides or _DEFAULT_STRIDES
    if len(shapes) != len(strides) or any(len(shape) != 4 for shape in shapes):  # noqa: PLR2004 - NCHW
        return None
    stride_of = {(entry.input.height_px // s, entry.input.width_px // s): s for s in strides}
    found = [stride_of.get((shape[2], shape[3]), 0) for shape in shapes]
    channels = {shape[1] for shape in shapes}
    if sorted(found) != sorted(strides) or len(channels) != 1 or shapes[0][0] != 1:
        return None
    count = channels.pop()
    if count == classes + 4:
        return Layout("yolo_ltrb", classes, tuple(found))
    if count >= _BOX_BINS + classes:
        return Layout("yolo_dfl", classes, tuple(found))
    return None


def _layout_of_rows(entry: NetworkEntry, shapes: Sequence[tuple[int, ...]], classes: int) -> Layout | None:
    if len(shapes) != 1 or len(shapes[0]) != 3 or shapes[0][0] != 1:  # noqa: PLR2004 - batch, rows, columns
        return None
    strides = entry.strides or _DEFAULT_STRIDES
    cells = sum((entry.input.height_px // s) * (entry.input.width_px // s) for s in strides)
    _, first, second = shapes[0]
    if (first, second) == (4 + classes, cells):
        return Layout("yolo_fused", classes)
    if (first, second) == (cells, 4 + classes):
        return Layout("yolo_fused", classes, transposed=True)
    if second == 5 + classes and first in {cells * anchors for anchors in _ANCHORS_PER_CELL}:
        return Layout("yolo_anchor", classes)
    return None


def make_decoder(
    layout: Layout, input_hw_px: tuple[int, int], candidate_limit: int = CANDIDATE_LIMIT
) -> Decoder:
    """Build the decoder of a recognised layout for one input size."""
    if layout.head in {"yolo_ltrb", "yolo_dfl"}:
        return MapDecoder(layout, input_hw_px, candidate_limit)
    return RowDecoder(layout, input_hw_px, candidate_limit)


class MapDecoder:
    """Decodes one raw map per stride (``yolo_ltrb``, ``yolo_dfl``)."""

    def __init__(self, layout: Layout, input_hw_px: tuple[int, int], candidate_limit: int) -> None:
        self._classes = layout.class_count
        self._limit = candidate_limit
        self._height_px, self._width_px = input_hw_px
        self._has_bins = layout.head == "yolo_dfl"
        self._first_logit = _BOX_BINS if self._has_bins else 0
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
            return _nothing(self._classes)
        boxes = np.concatenate([part[0] for part in parts])
        scores = _sigmoid(np.concatenate([part[1] for part in parts]))
        return _best_first(boxes, scores, self._limit, (self._height_px, self._width_px))

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
            distances = _expected_distances(raw[:_BOX_BINS, cell])
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
        self._rows_first = self._has_objectness or layout.transposed
        self._limit = candidate_limit
        self._input_hw_px = input_hw_px

    def decode(self, outputs: Sequence[NDArray[Any]], score_threshold: float) -> Detections:
        """See :class:`Decoder`."""
        table = outputs[0][0].T if self._rows_first else outputs[0][0]
        if self._has_objectness:
            # A product of probabilities can't pass where its first factor doesn't.
            passing = np.flatnonzero(table[4] >= score_threshold)
            chosen = table[:, passing]
            scores = chosen[5:] * chosen[4]
            kept = scores.max(axis=0, initial=0.0) >= score_threshold
            chosen, scores = chosen[:, kept], scores[:, kept]
        else:
            best = table[4] if self._classes == 1 else table[4:].max(axis=0)
            chosen = table[:, np.flatnonzero(best >= score_threshold)]
            scores = chosen[4:]
        if not chosen.shape[1]:
            return _nothing(self._classes)
        half = chosen[2:4] * np.float32(0.5)
        boxes = np.concatenate((chosen[:2] - half, chosen[:2] + half)).T
        return _best_first(boxes, scores.T, self._limit, self._input_hw_px)


def suppress(found: Detections, iou_threshold: float, limit: int) -> Detections:
    """Greedy non-maximum suppression over all classes together.

    Args:
        found: Best first, as a decoder returns it.
        iou_threshold: A box that overlaps a better kept one by more than this is dropped.
        limit: Most boxes to keep.
    """
    count = found.scores.size
    if count <= 1:
        return found if limit >= 1 else _taken(found, np.zeros(0, np.intp))
    overlaps = pairwise_iou(found.boxes, found.boxes) > iou_threshold
    alive = np.ones(count, bool)
    kept: list[int] = []
    index = 0
    while len(kept) < limit:
        kept.append(index)
        alive &= ~overlaps[index]
        alive[index] = False
        index = int(alive.argmax())
        if not alive[index]:
            break
    return _taken(found, np.array(kept, np.intp))


def pairwise_iou(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of N×4 with M×4 boxes, N×M in [0, 1]; 0 where both are empty."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    sides = np.maximum(high - low, 0.0)
    shared = sides[..., 0] * sides[..., 1]
    union = _areas(first)[:, None] + _areas(second)[None, :] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0.0))


def _areas(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))


def _best_first(
    boxes: NDArray[Any], class_scores: NDArray[Any], limit: int, input_hw_px: tuple[int, int]
) -> Detections:
    """Clip to the input, drop what is empty or not finite, sort, cut to ``limit``."""
    height, width = input_hw_px
    boxes = np.clip(boxes, 0.0, np.array((width, height, width, height), np.float32), dtype=np.float32)
    # A comparison with NaN is false, so this drops those too.
    whole = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    scores = class_scores[:, 0] if class_scores.shape[1] == 1 else class_scores.max(axis=1)
    order = np.argsort(-scores, kind="stable")
    order = order[whole[order]][:limit]
    return Detections(
        np.ascontiguousarray(boxes[order]),
        scores[order],
        class_scores[order] if class_scores.shape[1] > 1 else None,
    )


def _taken(found: Detections, kept: NDArray[np.intp]) -> Detections:
    class_scores = None if found.class_scores is None else found.class_scores[kept]
    return Detections(found.boxes[kept], found.scores[kept], class_scores)


def _nothing(classes: int) -> Detections:
    class_scores = None if classes == 1 else np.zeros((0, classes), np.float32)
    return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), class_scores)


def _expected_distances(bins: NDArray[Any]) -> NDArray[np.float32]:
    """Mean of the 16-bin distribution of each side: 64×K logits to 4×K strides."""
    logits = bins.reshape(4, DISTANCE_BINS, -1)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    mean = np.tensordot(np.arange(DISTANCE_BINS, dtype=np.float32), weights, axes=(0, 1))
    return np.asarray(mean / weights.sum(axis=1))


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logistic function without overflow at either end."""
    small = np.exp(-np.abs(logits))
    return np.asarray(np.where(logits >= 0.0, 1.0, small) / (1.0 + small))
