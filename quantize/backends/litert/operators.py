"""One writer per ONNX operator: how it is said in TensorFlow Lite, on integers or on floats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray
from onnx import helper

from agent.errors import ModelError
from quantize.backends.litert.flatbuffer import Quantization, TensorSpec
from quantize.backends.litert.translation import Translation

_PADDING: Final = schema.Padding
_NO_ACTIVATION: Final = {"fusedActivationFunction": schema.ActivationFunctionType.NONE}
_CHANNELS: Final = 3
"""Axis of the channels, which come last."""
_BIAS: Final = 2
"""Position among a convolution's inputs."""


def _attribute(node: onnx.NodeProto, name: str, default: object = None) -> Any:
    return next((helper.get_attribute_value(item) for item in node.attribute if item.name == name), default)


def write_convolution(work: Translation, node: onnx.NodeProto) -> None:
    """Full or depthwise, bias included; padding becomes SAME where that means the same."""
    group = _attribute(node, "group", 1)
    integer = work.stays_integer(node, [node.input[0]]) and work.is_quantized_constant(node.input[1])
    source = work.data(node.input[0], integer=integer)
    weight, bias = _weights(work, node, group, integer=integer)
    source, padding = _padded(work, node, source)
    depthwise = group > 1
    stride_h, stride_w = _attribute(node, "strides", (1, 1))
    options = {**_NO_ACTIVATION, "padding": padding, "strideH": stride_h, "strideW": stride_w}
    options |= {"dilationHFactor": 1, "dilationWFactor": 1}
    if depthwise:
        options["depthMultiplier"] = 1
    work.graph.operator(
        "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D",
        [source, weight, bias],
        work.result(node, integer=integer),
        version=3 if integer else 1,
        options=("DepthwiseConv2DOptions" if depthwise else "Conv2DOptions", options),
    )


def _weights(work: Translation, node: onnx.NodeProto, group: int, *, integer: bool) -> tuple[int, int]:
    """Kernel and bias tensors, channels last."""
    name = node.input[1]
    quantization: Quantization | None = None
    if integer:
        values, quantization = work.quantized_constant(name)
    elif work.is_quantized_constant(name):
        raise ModelError(f"{node.name} has INT8 weights and float data: quantise both or neither")
    else:
        values = work.constant(name)
    if group not in {1, values.shape[0]} or (group > 1 and values.shape[1] != 1):
        raise ModelError(f"{node.name} has {group} groups: LiteRT has full and depthwise convolutions only")
    axis = 0 if group == 1 else _CHANNELS
    values = values.transpose((0, 2, 3, 1) if group == 1 else (1, 2, 3, 0))
    if quantization is not None:
        quantization = Quantization(quantization.scales, quantization.zero_points, axis)
    kernel = work.graph.constant(name, values, quantization)
    return kernel, _bias(work, node, values.shape[axis], integer=integer)


def _bias(work: Translation, node: onnx.NodeProto, channels: int, *, integer: bool) -> int:
    if len(node.input) <= _BIAS:
        return work.graph.constant(f"{node.name}/bias", np.zeros(channels, np.float32))
    name = node.input[_BIAS]
    if not integer:
        return work.graph.constant(name, work.constant(name).astype(np.float32))
    values, quantization = work.quantized_constant(name)
    return work.graph.constant(name, values.astype(np.int32), quantization)


def _padded(work: Translation, node: onnx.NodeProto, source: int) -> tuple[int, int]:
    """The tensor to convolve and the padding to name; TensorFlow pads strided windows off centre."""
    top, left, bottom, right = _attribute(node, "pads", (0, 0, 0, 0))
    if not any((top, left, bottom, right)):
        return source, _PADDING.VALID
    kernel, strides = _attribute(node, "kernel_shape"), _attribute(node, "strides", (1, 1))
    centred = all(2 * pad == size - 1 for pad, size in zip((top, left), kernel, strict=True))
    if centred and (top, left) == (bottom, right) and tuple(strides) == (1, 1):
        return source, _PADDING.SAME
    spec = work.graph.specs[source]
    _, height, width, channels = spec.shape
    amounts = np.array([(0, 0), (top, bottom), (left, right), (0, 0)], np.int32)
    padded = TensorSpec(
        (1, height + top + bottom, width + left + right, channels), spec.dtype, spec.quantization
    )
    target = work.graph.tensor(f"{node.name}/padded", padded)
    edges = work.graph.constant(f"{node.name}/pads", amounts)
    version = 1 if spec.dtype == "float32" else 2
    work.graph.operator("PAD", [source, edges], target, version=version, options=("PadOptions", {}))
    return target, _PADDING.VALID


def write_max_pool(work: Translation, node: onnx.NodeProto) -> None:
    """Windows that keep the size, or unpadded ones."""
    source, integer = _source(work, node)
    height, width = _attribute(node, "kernel_shape")
    pads = tuple(_attribute(node, "pads", (0, 0, 0, 0)))
    stride_h, stride_w = _attribute(node, "strides", (1, 1))
    if pads == (0, 0, 0, 0):
        padding = _PADDING.VALID
    elif pads == (height // 2, width // 2) * 2 and (stride_h, stride_w) == (1, 1):
        padding = _PADDING.SAME
    else:
        raise ModelError(f"{node.name} pools with padding {pads}: LiteRT pads to keep the size or not at all")
    window = {"filterHeight": height, "filterWidth": width, "strideH": stride_h, "strideW": stride_w}
    work.graph.operator(
        "MAX_POOL_2D",
        [source],
        work.result(node, integer=integer),
        version=2 if integer else 1,
        options=("Pool2DOptions", {**_NO_ACTIVATION, "padding": padding, **window}),
    )


def write_resize(work: Translation, node: onnx.NodeProto) -> None:
    """Nearest neighbour to a whole multiple of the size."""
    if _attribute(node, "mode", b"nearest") != b"nearest":
        raise ModelError(f"{node.name} interpolates: only nearest-neighbour resizing is translated")
    source, integer = _source(work, node)
    target = work.result(node, integer=integer)
    size = work.graph.constant(f"{node.name}/size", np.array(work.graph.specs[target].shape[1:3], np.int32))
    work.graph.operator(
        "RESIZE_NEAREST_NEIGHBOR",
        [source, size],
        target,
        version=2 if integer else 1,
        options=("ResizeNearestNeighborOptions", {"alignCorners": False, "halfPixelCenters": False}),
    )


def write_concatenation(work: Translation, node: onnx.NodeProto) -> None:
    """Along the channels; integers are brought to the result's scale first, as LiteRT demands."""
    if _attribute(node, "axis") != 1:
        raise ModelError(f"{node.name} joins along an axis other than the channels")
    names = list(node.input)
    integer = work.stays_integer(node, names)
    target = work.result(node, integer=integer)
    wanted = work.graph.specs[target].quantization
    parts = []
    for position, name in enumerate(names):
        part = work.data(name, integer=integer)
        spec = work.graph.specs[part]
        if wanted is not None and spec.quantization is not None and not spec.quantization.equals(wanted):
            rescaled = work.graph.tensor(
                f"{node.name}/part{position}", TensorSpec(spec.shape, "int8", wanted)
            )
            part = work.graph.operator("QUANTIZE", [part], rescaled, version=2)
        parts.append(part)
    options = ("ConcatenationOptions", {**_NO_ACTIVATION, "axis": _CHANNELS})
    work.graph.operator("CONCATENATION", parts, target, version=2 if integer else 1, options=options)


def write_addition(work: Translation, node: onnx.NodeProto) -> None:
    """Of two tensors of one shape."""
    names = list(node.input)
    integer = work.stays_integer(node, names)
    work.graph.operator(
        "ADD",
        [work.data(name, integer=integer) for name in names],
        work.result(node, integer=integer),
        version=2 if integer else 1,
        options=("AddOptions", dict(_NO_ACTIVATION)),
    )


def write_rectifier(work: Translation, node: onnx.NodeProto) -> None:
    """Where the quantiser didn't fold it into the range of what precedes."""
    source, integer = _source(work, node)
    work.graph.operator("RELU", [source], work.result(node, integer=integer), version=2 if integer else 1)


def write_mean(work: Translation, node: onnx.NodeProto) -> None:
    """Global average pooling; the result has no spatial axes left."""
    source, integer = _source(work, node)
    shape = work.graph.specs[source].shape
    axes = work.graph.constant(f"{node.name}/axes", np.array([1, 2], np.int32))
    target = work.result(node, integer=integer, shape=(shape[0], shape[_CHANNELS]))
    options = ("ReducerOptions", {"keepDims": False})
    work.graph.operator("MEAN", [source, axes], target, version=2 if integer else 1, options=options)


def write_flatten(work: Translation, node: onnx.NodeProto) -> None:
    """After global pooling there is nothing left to flatten."""
    source = work.data(node.input[0], integer=work.is_integer(node.input[0]))
    if work.graph.specs[source].shape != work.shape(node.output[0]):
        raise ModelError(f"{node.name} flattens a map: only pooled features are translated")
    work.alias(node)


def write_fully_connected(work: Translation, node: onnx.NodeProto) -> None:
    """The float classifier at the end."""
    plain = _attribute(node, "alpha", 1.0) == _attribute(node, "beta", 1.0) == 1.0
    if not plain or not _attribute(node, "transB"):
        raise ModelError(f"{node.name} is no plain fully connected layer")
    weights: NDArray[Any] = work.constant(node.input[1])
    work.graph.operator(
        "FULLY_CONNECTED",
        [
            work.floating(node.input[0]),
            work.graph.constant(node.input[1], weights),
            _bias(work, node, weights.shape[0], integer=False),
        ],
        work.result(node, integer=False),
        options=("FullyConnectedOptions", dict(_NO_ACTIVATION)),
    )


def _source(work: Translation, node: onnx.NodeProto) -> tuple[int, bool]:
    """The data input of a unary operator, and whether the operator works on integers."""
    integer = work.stays_integer(node, [node.input[0]])
    return work.data(node.input[0], integer=integer), integer


WRITERS: Final[dict[str, Callable[[Translation, onnx.NodeProto], None]]] = {
    "Add": write_addition,
    "Concat": write_concatenation,
    "Conv": write_convolution,
    "Flatten": write_flatten,
    "Gemm": write_fully_connected,
    "GlobalAveragePool": write_mean,
    "MaxPool": write_max_pool,
    "Relu": write_rectifier,
    "Resize": write_resize,
}
