"""YOLO exports as users have them, built by hand: real graphs that find squares of pure colours.

A "face" is a square of ``FACE_PX`` on a grid of 32; its colour is its class. The graph measures, by strided
convolutions, how much of each window has the colour, and its head is that of the YOLO it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FACE_PX: Final = 96
STRIDES: Final = (8, 16, 32)
COLOURS: Final = ((255, 0, 0), (0, 0, 255), (255, 255, 0))
"""RGB of each class."""
ANCHORS: Final = (10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, FACE_PX, FACE_PX, 156, 198, 373, 326)
_QUIET: Final = -12.0
"""A logit that no threshold lets through."""


@dataclass
class Graph:
    """A graph under construction; nodes stay nameless, as some exporters leave them."""

    opset: int
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    count: int = 0

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = self._name()
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def constant(self, values: Any, dtype: type = np.float32) -> str:
        name = self._name()
        self.constants.append(numpy_helper.from_array(np.array(values, dtype), name))
        return name

    def part(self, value: str, first: int, last: int, axis: int) -> str:
        ends = [self.constant([number], np.int64) for number in (first, last, axis)]
        return self.add("Slice", value, *ends)

    def shaped(self, value: str, *shape: int) -> str:
        return self.add("Reshape", value, self.constant(shape, np.int64))

    def _name(self) -> str:
        self.count += 1
        return f"v{self.count}"


@dataclass(frozen=True)
class Export:
    """Which export to build."""

    head: str
    """``v5``, ``v5_raw``, ``v5_face``, ``v5_both``, ``v8``, ``v8_raw``, ``v8_split`` or ``v8_face``."""
    classes: int = 1
    side_px: int = 320
    opset: int = 17
    dynamic: bool = False
    metadata: tuple[tuple[str, str], ...] = ()
    outlier: float = 0.0
    """Size of a channel that shares its tensor with the useful ones and so ruins eight bits of precision."""
    outlier_ends: bool = False
    """Whether the second layer drops that channel, so that only the first one's output has it."""
    finished: bool = False
    """Whether raw class maps go through a sigmoid, which they should not."""


def write_export(path: Path, export: Export) -> Path:
    """Build and save; one float32 input 1×3×S×S, RGB in 0…1."""
    graph = Graph(export.opset)
    coverage = _coverage(graph, export)
    outputs = (_v5 if export.head.startswith("v5") else _v8)(graph, export, coverage)
    any_size: list[int | str | None] = ["batch", 3, "height", "width"]
    shape = any_size if export.dynamic else [1, 3, export.side_px, export.side_px]
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)
    infos = [_unknown(name, rank if export.dynamic else None) for name, rank in outputs]
    body = helper.make_graph(graph.nodes, "user", [image], infos, initializer=graph.constants)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", export.opset)], ir_version=8)
    if not export.dynamic:
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    for key, value in export.metadata:
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def _unknown(name: str, rank: int | None) -> Any:
    """An output of no stated sizes; of no stated rank either where None."""
    sizes: list[int | str | None] | None = None if rank is None else [None] * rank
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes)


def draw(places: Sequence[tuple[int, int, int]], side_px: int = 320, seed: int = 0) -> NDArray[np.uint8]:
    """A noisy grey BGR picture with squares: class, left and top in px, multiples of 32."""
    noise = np.random.default_rng(seed).integers(90, 130, (side_px, side_px, 1), dtype=np.uint8)
    picture = np.repeat(noise, 3, axis=2)
    for kind, left, top in places:
        picture[top : top + FACE_PX, left : left + FACE_PX] = COLOURS[kind][::-1]
    return picture


def _convolution(graph: Graph, value: str, weights: Any, bias: Any, **attributes: Any) -> str:
    kernel = np.asarray(weights, np.float32)
    return graph.add("Conv", value, graph.constant(kernel), graph.constant(bias), **attributes)


def _coverage(graph: Graph, export: Export) -> list[str]:
    """Per stride 1×C×h×w: share of the cell in each class's colour; at the last, of the 3×3 around it."""
    classes = export.classes
    corners = np.array(COLOURS[:classes], np.float32) / 255.0
    directions = 2.0 * corners - 1.0
    channels = classes + bool(export.outlier)
    weights = np.zeros((channels, 3, 2, 2), np.float32)
    bias = np.zeros(channels, np.float32)
    weights[:classes] = np.repeat(directions[:, :, None, None], 4, 2).reshape(classes, 3, 2, 2) * 0.5
    bias[:classes] = 1.0 - 2.0 * corners.sum(axis=1)
    if export.outlier:
        weights[-1] = export.outlier
    value = graph.add("Relu", _convolution(graph, "images", weights, bias, strides=[2, 2]))
    found = []
    for factor in (4, 2, 2):
        mean = np.full((channels, 1, factor, factor), factor**-2.0)
        mean[classes:] *= not export.outlier_ends
        value = _convolution(graph, value, mean, np.zeros(channels), group=channels, strides=[factor, factor])
        found.append(value)
    around = np.full((channels, 1, 3, 3), 1.0 / 9.0)
    found[-1] = _convolution(graph, value, around, np.zeros(channels), group=channels, pads=[1, 1, 1, 1])
    return found


def _weights(export: Export, rows: int) -> NDArray[np.float32]:
    return np.zeros((rows, export.classes + bool(export.outlier), 1, 1), np.float32)


def _class_rows(export: Export, stride: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Kernel and bias of class logits: 6 where the 3×3 window is full, -7 and less elsewhere."""
    weights = _weights(export, export.classes)
    bias = np.full(export.classes, _QUIET, np.float32)
    if stride == STRIDES[-1]:
        weights[range(export.classes), range(export.classes)] = 40.0
        bias[:] = -34.0
    return weights, bias


def _v8(graph: Graph, export: Export, coverage: list[str]) -> list[tuple[str, int]]:
    """Distribution of 16 bins per side, then classes; landmarks behind them for ``v8_face``."""
    boxes, scores = [], []
    for value, stride in zip(coverage, STRIDES, strict=True):
        bins = np.zeros(64, np.float32)
        bins[[16 * side + bin_ for side in range(4) for bin_ in (1, 2)]] = 10.0
        boxes.append(_convolution(graph, value, _weights(export, 64), bins))
        scores.append(_convolution(graph, value, *_class_rows(export, stride)))
    if export.finished:
        scores = [graph.add("Sigmoid", score) for score in scores]
    if export.head == "v8_split":
        return [(name, 4) for pair in zip(scores, boxes, strict=True) for name in pair]
    maps = [graph.add("Concat", box, score, axis=1) for box, score in zip(boxes, scores, strict=True)]
    if export.head == "v8_raw":
        return [(name, 4) for name in maps]
    cells = [(export.side_px // stride) ** 2 for stride in STRIDES]
    flat = [graph.shaped(raw, 1, 64 + export.classes, count) for raw, count in zip(maps, cells, strict=True)]
    table = graph.add("Concat", *flat, axis=2)
    bins_ = graph.shaped(graph.part(table, 0, 64, 1), 1, 4, 16, sum(cells))
    shares = graph.add("Softmax", graph.add("Transpose", bins_, perm=[0, 2, 1, 3]), axis=1)
    mean = graph.constant(np.arange(16).reshape(1, 16, 1, 1))
    sides = graph.shaped(graph.add("Conv", shares, mean), 1, 4, sum(cells))
    centres, strides = _grid(export)
    low = graph.add("Sub", graph.constant(centres), graph.part(sides, 0, 2, 1))
    high = graph.add("Add", graph.constant(centres), graph.part(sides, 2, 4, 1))
    middle = graph.add("Mul", graph.add("Add", low, high), graph.constant(0.5))
    box = graph.add("Concat", middle, graph.add("Sub", high, low), axis=1)
    rows = [graph.add("Mul", box, graph.constant(strides))]
    rows.append(graph.add("Sigmoid", graph.part(table, 64, 64 + export.classes, 1)))
    if export.head == "v8_face":
        rows.append(graph.constant(np.full((1, 15, sum(cells)), 77.0)))
    return [(graph.add("Concat", *rows, axis=1), 3)]


def _grid(export: Export) -> tuple[NDArray[Any], NDArray[Any]]:
    """1×2×N cell centres in strides, and 1×1×N strides."""
    centres, strides = [], []
    for stride in STRIDES:
        count = export.side_px // stride
        rows, columns = np.mgrid[:count, :count]
        centres.append(np.stack((columns.ravel(), rows.ravel())) + 0.5)
        strides.append(np.full(count * count, stride))
    return np.concatenate(centres, 1)[None], np.concatenate(strides)[None, None]


def _v5(graph: Graph, export: Export, coverage: list[str]) -> list[tuple[str, int]]:
    """Three anchors per cell; ten landmark channels before the class for ``v5_face``."""
    landmarks = 10 if export.head == "v5_face" else 0
    depth = 5 + landmarks + export.classes
    raw, rows = [], []
    for level, (value, stride) in enumerate(zip(coverage, STRIDES, strict=True)):
        weights, bias = _weights(export, 3 * depth), np.zeros(3 * depth, np.float32)
        bias[[4, 4 + depth, 4 + 2 * depth]] = _QUIET
        if stride == STRIDES[-1]:
            weights[4, : export.classes] = 40.0
            bias[4] = -34.0
            weights[range(depth - export.classes, depth), range(export.classes)] = 10.0
            bias[depth - export.classes : depth] = -5.0
        count = export.side_px // stride
        split = graph.shaped(_convolution(graph, value, weights, bias), 1, 3, depth, count, count)
        raw.append(graph.add("Transpose", split, perm=[0, 1, 3, 4, 2]))
        rows.append(_v5_rows(graph, raw[-1], (depth, count), stride, ANCHORS[6 * level : 6 * level + 6]))
    if export.head == "v5_raw":
        return [(name, 5) for name in raw]
    fused = graph.add("Concat", *rows, axis=1)
    return [(fused, 3), *(((name, 5) for name in raw) if export.head == "v5_both" else ())]


def _v5_rows(
    graph: Graph, raw: str, depth_and_count: tuple[int, int], stride: int, anchors: Sequence[int]
) -> str:
    """Decode one level in the graph, as YOLOv5's exporter does."""
    depth, count = depth_and_count
    rows, columns = np.mgrid[:count, :count]
    corners = np.stack((columns, rows), axis=-1)[None, None]
    shares = graph.add("Sigmoid", raw)
    double = graph.add("Mul", shares, graph.constant(2.0))
    sizes = np.array(anchors, np.float32).reshape(1, 3, 1, 1, 2)
    offsets = graph.add("Sub", graph.part(double, 0, 2, 4), graph.constant(0.5))
    moved = graph.add("Add", offsets, graph.constant(corners))
    centre = graph.add("Mul", moved, graph.constant(float(stride)))
    wide = graph.part(double, 2, 4, 4)
    size = graph.add("Mul", graph.add("Mul", wide, wide), graph.constant(sizes))
    table = graph.add("Concat", centre, size, graph.part(shares, 4, depth, 4), axis=4)
    return graph.shaped(table, 1, -1, depth)
