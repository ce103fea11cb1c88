"""Lets the first convolution of an INT8 network compute two neighbouring pixels as one wide one.

A convolution over three colours that gives few channels starves a processor's byte multipliers: each
output takes 27 products and 16 results at a time. In memory, channels last, four pixels of three
colours are one pixel of twelve channels, and two pixels of 16 channels are one of 32. So the same
weights, spread over a wider kernel with zeros between, compute the same integers in wider rows;
the views cost nothing. Measured with ONNX Runtime 1.31 on AVX512-VNNI at 320x320: the layer takes
less than half the time, the network four fifths. The idea is that of space-to-depth stems (Ridnik et
al. 2021, "TResNet").
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

MERGED: Final = 2
"""Output pixels that become one."""
WIDE_ENOUGH: Final = 32
"""Output channels from which merging brings nothing."""


def widen_stem(model: onnx.ModelProto) -> bool:
    """Rewrite the first convolution of a quantised graph (QDQ) if a uint8 image feeds it; say if it could."""
    graph = model.graph
    found = _find(graph)
    if found is None:
        return False
    transpose, convolution, quantize = found
    given = {item.name: helper.get_attribute_value(item) for item in convolution.attribute}
    _, height, width, colours = (size.dim_value for size in graph.input[0].type.tensor_type.shape.dim)
    stride_h, stride_w = given["strides"]
    top, left, bottom, right = given["pads"]
    weights, weight_scales = _constants(graph, convolution.input[1])
    outputs, _, kernel_h, kernel_w = weights.shape
    pixels = stride_w * MERGED
    out_w = (width + left + right - kernel_w) // stride_w + 1
    out_h = (height + top + bottom - kernel_h) // stride_h + 1
    if outputs >= WIDE_ENOUGH or width % pixels or out_w * stride_w != width or given["group"] != 1:
        return False
    wide, pad_left, pad_right = _spread(weights, stride_w, left, pixels)
    _replace_constants(graph, convolution.input[1], wide, weight_scales)
    bias, bias_scales = _constants(graph, convolution.input[2])
    _replace_constants(graph, convolution.input[2], np.tile(bias, MERGED), bias_scales)
    for item in convolution.attribute:
        if item.name == "kernel_shape":
            item.ints[:] = [kernel_h, wide.shape[3]]
        elif item.name == "strides":
            item.ints[:] = [stride_h, 1]
        elif item.name == "pads":
            item.ints[:] = [top, pad_left, bottom, pad_right]
    _view_before(graph, transpose, (1, height, width // pixels, colours * pixels))
    _view_after(graph, quantize, (1, out_h, out_w, outputs))
    _drop_unused_constants(graph)
    # Types recorded for the tensors in between are no longer true.
    del graph.value_info[:]
    return True


def _find(graph: onnx.GraphProto) -> tuple[Any, Any, Any] | None:
    """Transpose of the image, the convolution behind it, and the quantisation of its result."""
    image = graph.input[0].name
    transposes = [node for node in graph.node if node.op_type == "Transpose" and node.input[0] == image]
    if len(transposes) != 1:
        return None
    dequantize = _only_user(graph, transposes[0].output[0], "DequantizeLinear")
    convolution = None if dequantize is None else _only_user(graph, dequantize.output[0], "Conv")
    quantize = None if convolution is None else _only_user(graph, convolution.output[0], "QuantizeLinear")
    return None if quantize is None else (transposes[0], convolution, quantize)


def _only_user(graph: onnx.GraphProto, value: str, operator: str) -> Any | None:
    users = [node for node in graph.node if value in node.input]
    return users[0] if len(users) == 1 and users[0].op_type == operator else None


def _spread(weights: NDArray[Any], stride: int, left: int, pixels: int) -> tuple[NDArray[Any], int, int]:
    """The wide kernel, and how many wide pixels to pad left and right."""
    outputs, colours, kernel_h, kernel_w = weights.shape
    reach = [stride * merged + column - left for merged in range(MERGED) for column in range(kernel_w)]
    first, last = math.floor(min(reach) / pixels), math.floor(max(reach) / pixels)
    shape = (MERGED * outputs, pixels * colours, kernel_h, last - first + 1)
    wide = np.zeros(shape, weights.dtype)
    for merged in range(MERGED):
        for column in range(kernel_w):
            tap, pixel = divmod(stride * merged + column - left, pixels)
            rows = slice(merged * outputs, (merged + 1) * outputs)
            channels = slice(pixel * colours, (pixel + 1) * colours)
            wide[rows, channels, :, tap - first] = weights[:, :, :, column]
    return wide, -first, last


def _constants(graph: onnx.GraphProto, value: str) -> tuple[NDArray[Any], list[NDArray[Any]]]:
    """Stored values behind a DequantizeLinear, and its scale and zero point."""
    node = next(node for node in graph.node if value in node.output)
    stored = {item.name: item for item in graph.initializer}
    values, *rest = (numpy_helper.to_array(stored[name]) for name in node.input)
    return values, rest


def _replace_constants(
    graph: onnx.GraphProto, value: str, values: NDArray[Any], scales: list[NDArray[Any]]
) -> None:
    """Others may share the old ones, so these get names of their own."""
    node = next(node for node in graph.node if value in node.output)
    for index, array in enumerate(
        (values, *(np.tile(scale, MERGED) if scale.ndim else scale for scale in scales))
    ):
        name = f"{value}/wide{index}"
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        node.input[index] = name


def _view_before(graph: onnx.GraphProto, transpose: onnx.NodeProto, shape: tuple[int, ...]) -> None:
    graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), "wide_image_shape"))
    view = helper.make_node("Reshape", [transpose.input[0], "wide_image_shape"], ["wide_image"], "wide_image")
    transpose.input[0] = "wide_image"
    graph.node.insert(0, view)


def _view_after(graph: onnx.GraphProto, quantize: onnx.NodeProto, shape: tuple[int, ...]) -> None:
    """Split the wide pixels again, between two transpositions that the runtime cancels against its own."""
    final = quantize.output[0]
    quantize.output[0] = "wide_stem"
    graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), "narrow_stem_shape"))
    nodes = [
        helper.make_node("Transpose", ["wide_stem"], ["wide_stem_last"], "wide_stem_last", perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", ["wide_stem_last", "narrow_stem_shape"], ["narrow_stem"], "narrow_stem"),
        helper.make_node("Transpose", ["narrow_stem"], [final], "narrow_stem_first", perm=[0, 3, 1, 2]),
    ]
    position = next(index for index, node in enumerate(graph.node) if node.name == quantize.name) + 1
    for offset, node in enumerate(nodes):
        graph.node.insert(position + offset, node)


def _drop_unused_constants(graph: onnx.GraphProto) -> None:
    used = {value for node in graph.node for value in node.input}
    for item in [item for item in graph.initializer if item.name not in used]:
        graph.initializer.remove(item)
