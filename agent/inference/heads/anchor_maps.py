"""Decodes the raw maps of a YOLO with anchors (YOLOv5, v7).

A cell holds, for each of its anchors, logits of where the box lies, how large it is against the anchor, that
there is an object, and of what class (Jocher et al. 2020, YOLOv5; the anchors go back to Redmon and Farhadi
2018, "YOLOv3", section 2.3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from agent.inference.heads.detections import Detections, best_first, nothing, sigmoid

if TYPE_CHECKING:
    from agent.inference.heads.layout import Layout

_OBJECTNESS = 4


class AnchorMapDecoder:
    """Decodes one raw map per stride (``yolo_anchor_maps``)."""

    def __init__(self, layout: Layout, input_hw_px: tuple[int, int], candidate_limit: int) -> None:
        self._classes = slice(layout.first_class, layout.first_class + layout.class_count)
        self._class_count = layout.class_count
        self._channels = 5 + layout.class_count + layout.unused
        self._strides = layout.strides
        self._anchors_px = tuple(np.array(anchors, np.float32) for anchors in layout.anchors_px)
        self._columns = tuple(input_hw_px[1] // stride for stride in layout.strides)
        self._input_hw_px = input_hw_px
        self._limit = candidate_limit

    def decode(self, outputs: Sequence[NDArray[Any]], score_threshold: float) -> Detections:
        """See :class:`agent.inference.heads.decoding.Decoder`."""
        parts = [self._decode_map(level, output, score_threshold) for level, output in enumerate(outputs)]
        boxes = np.concatenate([part[0] for part in parts])
        if not boxes.size:
            return nothing(self._class_count)
        return best_first(boxes, np.concatenate([part[1] for part in parts]), self._limit, self._input_hw_px)

    def _decode_map(
        self, level: int, output: NDArray[Any], score_threshold: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """K×4 boxes in pixels and K×C probabilities of what scores enough."""
        table = self._table(level, output)
        least_logit = math.log(score_threshold / (1.0 - score_threshold))
        # A product of probabilities can't pass where its first factor doesn't.
        anchor, cell = np.nonzero(table[:, _OBJECTNESS] >= least_logit)
        chosen = table[anchor, :, cell]
        scores = sigmoid(chosen[:, self._classes]) * sigmoid(chosen[:, _OBJECTNESS, None])
        best = scores.max(axis=1, initial=0.0)
        kept = np.flatnonzero(best >= score_threshold)
        if kept.size > self._limit:
            kept = kept[np.argpartition(-best[kept], self._limit)[: self._limit]]
        anchor, cell, chosen = anchor[kept], cell[kept], chosen[kept]
        rows, columns = np.divmod(cell, self._columns[level])
        corner = np.stack((columns, rows), axis=1).astype(np.float32)
        centre = (sigmoid(chosen[:, :2]) * 2.0 - 0.5 + corner) * np.float32(self._strides[level])
        half = (sigmoid(chosen[:, 2:4]) * 2.0) ** 2 * self._anchors_px[level][anchor] * 0.5
        boxes = np.concatenate((centre - half, centre + half), axis=1)
        return boxes.astype(np.float32, copy=False), scores[kept]

    def _table(self, level: int, output: NDArray[Any]) -> NDArray[Any]:
        """One map as anchors × channels × cells, whichever of its two forms it has."""
        anchors = len(self._anchors_px[level])
        if output.ndim == 4:  # noqa: PLR2004 - the channels of all anchors side by side
            return output.reshape(anchors, self._channels, -1)
        return output.reshape(anchors, -1, self._channels).transpose(0, 2, 1)
