"""LiteRT INT8 from ONNX Runtime's signed INT8 file: the same integers in another container.

Signed activations, symmetric per-channel weights and 32-bit biases are exactly what TensorFlow Lite
calls full-integer, so nothing is calibrated twice and no converter with a framework behind it is
needed: the quantised graph is walked and written operator by operator, channels last. The image comes
in as uint8 and the outputs leave as float32 in the layout of the ONNX file; the tail that
ONNX Runtime's file keeps in float stays in float here.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper, shape_inference

from agent.errors import ModelError
from quantize.backends.litert.flatbuffer import Quantization, TensorSpec, TfLiteGraph
from quantize.backends.onnxruntime import find_image_entry

_MAPS: Final = 4
"""Rank of what has a channel axis to move."""


class Translation:
    """Walks one quantised ONNX graph; the writers of ``operators`` ask it for tensors."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = TfLiteGraph()
        self.model = shape_inference.infer_shapes(model)
        onnx_graph = self.model.graph
        self._constants = {item.name: numpy_helper.to_array(item) for item in onnx_graph.initializer}
        self._shapes = {
            value.name: tuple(size.dim_value for size in value.type.tensor_type.shape.dim)
            for value in (*onnx_graph.value_info, *onnx_graph.output, *onnx_graph.input)
        }
        self._wanted = {
            node.input[0]: self._quantization(node)
            for node in onnx_graph.node
            if node.op_type == "QuantizeLinear"
        }
        self._integer: dict[str, int] = {}
        self._float: dict[str, int] = {}

    # What the writers ask for.

    def is_integer(self, name: str) -> bool:
        """Whether an ONNX value has an int8 tensor."""
        return name in self._integer

    def data(self, name: str, *, integer: bool) -> int:
        """The int8 tensor of an ONNX value that has one, or its float32 tensor."""
        return self._integer[name] if integer else self.floating(name)

    def floating(self, name: str) -> int:
        """The float32 tensor of an ONNX value, dequantised once where necessary."""
        if name not in self._float:
            source = self._integer[name]
            spec = TensorSpec(self.graph.specs[source].shape, "float32")
            target = self.graph.tensor(f"{name}/float", spec)
            self.graph.operator("DEQUANTIZE", [source], target, version=2)
            self._float[name] = target
        return self._float[name]

    def constant(self, name: str) -> NDArray[Any]:
        """Values of a float constant.

        Raises:
            ModelError: The value is computed at run time.
        """
        if name not in self._constants:
            raise ModelError(f"{name} is computed where LiteRT needs a constant: fold constants before")
        return self._constants[name]

    def quantized_constant(self, name: str) -> tuple[NDArray[Any], Quantization]:
        """Stored values of a constant that a DequantizeLinear makes ``name`` from, and how to read them."""
        node = next(node for node in self.model.graph.node if name in node.output)
        return self.constant(node.input[0]), self._quantization(node)

    def is_quantized_constant(self, name: str) -> bool:
        """Whether ``name`` is a constant behind a DequantizeLinear."""
        return any(
            name in node.output and node.op_type == "DequantizeLinear" and node.input[0] in self._constants
            for node in self.model.graph.node
        )

    def result(self, node: onnx.NodeProto, *, integer: bool, shape: tuple[int, ...] | None = None) -> int:
        """The tensor for a node's output: int8 where it is quantised next, else float32."""
        name = node.output[0]
        shape = shape or self.shape(name)
        if integer and name in self._wanted:
            index = self.graph.tensor(name, TensorSpec(shape, "int8", self._wanted[name]))
            self._integer[name] = index
        elif integer:
            raise ModelError(f"{name} has integer inputs but is not quantised: quantise both or neither")
        else:
            index = self.graph.tensor(name, TensorSpec(shape, "float32"))
            self._float[name] = index
        return index

    def stays_integer(self, node: onnx.NodeProto, data_inputs: list[str]) -> bool:
        """Whether a node works on integers from end to end."""
        return node.output[0] in self._wanted and all(map(self.is_integer, data_inputs))

    def alias(self, node: onnx.NodeProto) -> None:
        """Let a node's output be its input: it only changes the view."""
        for known in (self._integer, self._float):
            if node.input[0] in known:
                known[node.output[0]] = known[node.input[0]]

    def shape(self, name: str) -> tuple[int, ...]:
        """Of a value, channels last."""
        shape = self._shapes[name]
        return (shape[0], *shape[2:], shape[1]) if len(shape) == _MAPS else shape

    # What the walk asks for: the ends of the graph and what lies between operators.

    def take_image(self) -> tuple[set[str], int]:
        """Read bytes as what the network's first operator sees, mean already taken off."""
        entry = find_image_entry(self.model)
        if entry is None or entry.value not in self._wanted:
            raise ModelError("LiteRT needs a network that casts a uint8 image and quantises it: export it so")
        signed = self._wanted[entry.value]
        shape = self.shape(entry.value)
        one = np.ones(1, np.float32)
        if not np.array_equal(signed.scales, one) or int(signed.zero_points[0]) != entry.mean - 128:
            raise ModelError(
                "the image is not quantised by identity: use quantize.backends.onnxruntime.static"
            )
        unsigned = Quantization(one, np.array([entry.mean], np.int64))
        image = self.graph.tensor(self.model.graph.input[0].name, TensorSpec(shape, "uint8", unsigned))
        target = self.graph.tensor(entry.value, TensorSpec(shape, "int8", signed))
        self.graph.operator("QUANTIZE", [image], target, version=2)
        self._integer[entry.value] = target
        return {node.name for node in entry.nodes}, image

    def requantize(self, node: onnx.NodeProto) -> None:
        """Bring a value to the scale that its QuantizeLinear names."""
        wanted = self._quantization(node)
        source = self.data(node.input[0], integer=self.is_integer(node.input[0]))
        spec = self.graph.specs[source]
        if spec.quantization is None or not spec.quantization.equals(wanted):
            version = 1 if spec.quantization is None else 2
            target = self.graph.tensor(node.output[0], TensorSpec(spec.shape, "int8", wanted))
            source = self.graph.operator("QUANTIZE", [source], target, version=version)
        self._integer[node.output[0]] = source

    def dequantize(self, node: onnx.NodeProto) -> None:
        """Note that an integer value goes on under another name; constants are read where they are used."""
        if self.is_integer(node.input[0]):
            self._integer[node.output[0]] = self._integer[node.input[0]]

    def _quantization(self, node: onnx.NodeProto) -> Quantization:
        scales = self._constants[node.input[1]].reshape(-1).astype(np.float32)
        zero_points = np.zeros(scales.size, np.int64)
        if len(node.input) > 2:  # noqa: PLR2004 - the zero point is optional
            zero_points = self._constants[node.input[2]].reshape(-1).astype(np.int64)
        return Quantization(scales, zero_points)

    def channels_first(self, name: str) -> int:
        """The float32 tensor of an output in the layout of the ONNX file."""
        source = self.floating(name)
        shape = self.graph.specs[source].shape
        if len(shape) != _MAPS:
            return source
        order = np.array([0, 3, 1, 2], np.int32)
        target = self.graph.tensor(
            f"{name}/channels_first", TensorSpec(tuple(shape[i] for i in order), "float32")
        )
        axes = self.graph.constant(f"{name}/order", order)
        return self.graph.operator("TRANSPOSE", [source, axes], target, options=("TransposeOptions", {}))
