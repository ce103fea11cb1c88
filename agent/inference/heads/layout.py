"""Recognises how a detector's raw outputs are laid out, from their shapes.

| head               | outputs                          | channels                                       |
|--------------------|----------------------------------|------------------------------------------------|
| `yolo_ltrb`        | 1×(C+4)×h×w per stride           | C logits; distances left, top, right, bottom   |
| `yolo_dfl`         | 1×(64+C+E)×h×w per stride        | 4×16 distance bins; C logits; E unused         |
| `yolo_anchor_maps` | 1×A(5+C+E)×h×w per stride, or    | logits of offset x, y, width, height,          |
|                    | 1×A×h×w×(5+C+E) (YOLOv5, v7)     | objectness, C classes                          |
| `yolo_fused`       | 1×(4+C+E)×N (YOLOv8, 11)         | centre x, y, width, height in px; C prob.      |
| `yolo_anchor`      | 1×N×(5+C+E) (YOLOv5, v6, v7)     | centre x, y, width, height in px; objectness;  |
|                    |                                  | C prob.                                        |

Distances are in strides. E is 10 or 15 where a network of one class gives five landmarks as well; they are
passed over. YOLOv5-face writes its 10 before the class, all others theirs behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent.errors import ModelError

if TYPE_CHECKING:
    from agent.inference.bundle import NetworkEntry

DISTANCE_BINS: Final = 16
"""Of the distribution that gives each side's distance in ``yolo_dfl``."""
BOX_BINS: Final = 4 * DISTANCE_BINS
_DEFAULT_STRIDES: Final = (8, 16, 32)
_ANCHORS_PER_CELL: Final = (1, 3)
_LANDMARKS_BEFORE_CLASS: Final = 10
"""Five points of x and y, as YOLOv5-face places them."""
_LANDMARKS: Final = frozenset({_LANDMARKS_BEFORE_CLASS, 15})
"""Five points, without and with a visibility each."""
_NCHW: Final = 4
_FIRST_CLASS: Final = {"yolo_ltrb": 0, "yolo_dfl": BOX_BINS, "yolo_fused": 4}


@dataclass(frozen=True, slots=True)
class Layout:
    """Which row of this module's table a network's outputs follow."""

    head: str
    class_count: int
    strides: tuple[int, ...] = ()
    """Per output; empty for a head with a single output."""
    transposed: bool = False
    """``yolo_fused`` as 1×N×(4+C)."""
    unused: int = 0
    """Channels that hold neither box nor class."""
    anchors_px: tuple[tuple[tuple[float, float], ...], ...] = ()
    """Width and height of each anchor, per output; of ``yolo_anchor_maps`` only."""

    @property
    def first_class(self) -> int:
        """Channel of the first class."""
        behind_objectness = 5 + (self.unused if self.unused == _LANDMARKS_BEFORE_CLASS else 0)
        return _FIRST_CLASS.get(self.head, behind_objectness)


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
        " output without NMS; raw YOLOv5 maps need their anchors in the manifest",
    )


def _layout_of_maps(entry: NetworkEntry, shapes: Sequence[tuple[int, ...]], classes: int) -> Layout | None:
    strides = entry.strides or _DEFAULT_STRIDES
    if len(shapes) != len(strides) or any(len(shape) not in {4, 5} or shape[0] != 1 for shape in shapes):
        return None
    stride_of = {(entry.input.height_px // s, entry.input.width_px // s): s for s in strides}
    found = tuple(stride_of.get(_grid(shape), 0) for shape in shapes)
    depths = {_depth(shape) for shape in shapes}
    if sorted(found) != sorted(strides) or len(depths) != 1:
        return None
    depth = depths.pop()
    if entry.anchors:
        return _layout_of_anchor_maps(entry.anchors, found, depth, classes)
    if depth == classes + 4:
        return Layout("yolo_ltrb", classes, found)
    unused = depth - BOX_BINS - classes if isinstance(depth, int) else -1
    return Layout("yolo_dfl", classes, found, unused=unused) if unused >= 0 else None


def _grid(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of a map, whose anchors may have an axis of their own."""
    return (shape[-2], shape[-1]) if len(shape) == _NCHW else (shape[2], shape[3])


def _depth(shape: tuple[int, ...]) -> int | tuple[int, int]:
    """Channels of a map, or its anchors and the channels of each."""
    return shape[1] if len(shape) == _NCHW else (shape[1], shape[4])


def _layout_of_anchor_maps(
    anchors: tuple[float, ...], strides: tuple[int, ...], depth: int | tuple[int, int], classes: int
) -> Layout | None:
    pairs = list(zip(anchors[::2], anchors[1::2], strict=False))
    per_cell, rest = divmod(len(pairs), len(strides))
    if rest or not per_cell:
        return None
    seen, channels = (per_cell, depth / per_cell) if isinstance(depth, int) else depth
    unused = channels - 5 - classes
    if seen != per_cell or not _may_be_unused(unused, classes):
        return None
    finest_first = sorted(strides)
    anchors_px = tuple(tuple(pairs[per_cell * finest_first.index(s) :][:per_cell]) for s in strides)
    return Layout("yolo_anchor_maps", classes, strides, unused=int(unused), anchors_px=anchors_px)


def _layout_of_rows(entry: NetworkEntry, shapes: Sequence[tuple[int, ...]], classes: int) -> Layout | None:
    if len(shapes) != 1 or len(shapes[0]) != 3 or shapes[0][0] != 1:  # noqa: PLR2004 - batch, rows, columns
        return None
    strides = entry.strides or _DEFAULT_STRIDES
    cells = sum((entry.input.height_px // s) * (entry.input.width_px // s) for s in strides)
    _, first, second = shapes[0]
    found = [
        Layout("yolo_fused", classes, transposed=transposed, unused=channels - 4 - classes)
        for channels, rows, transposed in ((first, second, False), (second, first, True))
        if rows == cells
    ]
    if first in {cells * anchors for anchors in _ANCHORS_PER_CELL}:
        found.append(Layout("yolo_anchor", classes, unused=second - 5 - classes))
    fitting = [layout for layout in found if _may_be_unused(layout.unused, classes)]
    # Where two fit, the manifest may name one.
    named = [layout for layout in fitting if layout.head == entry.head]
    return next(iter(named or fitting), None)


def _may_be_unused(channels: float, classes: int) -> bool:
    return channels == 0 or (classes == 1 and channels in _LANDMARKS)
