"""Recognises how a detector's raw outputs are laid out, from their shapes.

| head          | outputs                       | channels                                              |
|---------------|-------------------------------|-------------------------------------------------------|
| `yolo_ltrb`   | one 1×(C+4)×h×w per stride    | C logits; distances left, top, right, bottom, strides |
| `yolo_dfl`    | one 1×(64+C+E)×h×w per stride | 4×16 distance bins; C logits; E unused (landmarks)    |
| `yolo_fused`  | 1×(4+C)×N (YOLOv8, 11)        | centre x, y, width, height in px; C probabilities     |
| `yolo_anchor` | 1×N×(5+C) (YOLOv5, v6)        | centre x, y, width, height in px; objectness; C prob. |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.inference.manifest import NetworkEntry

DISTANCE_BINS: Final = 16
"""Of the distribution that gives each side's distance in ``yolo_dfl``."""
BOX_BINS: Final = 4 * DISTANCE_BINS
_DEFAULT_STRIDES: Final = (8, 16, 32)
_ANCHORS_PER_CELL: Final = (1, 3)


@dataclass(frozen=True, slots=True)
class Layout:
    """Which row of this module's table a network's outputs follow."""

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
    if count >= BOX_BINS + classes:
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
