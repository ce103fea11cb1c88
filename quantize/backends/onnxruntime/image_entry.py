"""The way of the uint8 image into a network: already a quantised tensor, if one looks at it so.

A network casts its bytes to float, perhaps subtracts a mean, and the quantiser would turn the result
into bytes again. With scale 1 and the mean as zero point the bytes that come out are those that
went in, so the whole detour can be cut out. The same holds for signed activations but for a shift
by 128, which keeps the detour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.quantization import QuantType

_MOVES = frozenset({"Transpose", "Reshape"})
_BYTE_MAX = 255


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """The nodes from the image to the first tensor worth quantising."""

    value: str
    """Name of that tensor."""
    mean: int
    """What is subtracted from each pixel, 0…255."""
    nodes: tuple[Any, ...]
    """Cast, moves and subtraction, in order."""

    def overrides(self, activation_type: QuantType) -> dict[str, list[dict[str, NDArray[Any]]]]:
        """``TensorQuantOverrides`` that represent every pixel exactly."""
        unsigned = activation_type is QuantType.QUInt8
        zero_point = np.array(self.mean, np.uint8) if unsigned else np.array(self.mean - 128, np.int8)
        return {self.value: [{"scale": np.array(1.0, np.float32), "zero_point": zero_point}]}


def find_image_entry(model: onnx.ModelProto) -> ImageEntry | None:
    """Follow the image through cast, moves and mean subtraction; None where it isn't cast at all."""
    value = model.graph.input[0].name
    constants = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    nodes: list[Any] = []
    mean = 0
    while True:
        consumers = [node for node in model.graph.node if value in node.input]
        if len(consumers) != 1:
            break
        node = consumers[0]
        if node.op_type == "Sub" and node.input[0] == value and mean == 0:
            offset = _byte(constants.get(node.input[1]))
            if offset is None:
                break
            mean = offset
        elif node.op_type not in _MOVES | {"Cast"}:
            break
        nodes.append(node)
        value = node.output[0]
    is_cast = any(node.op_type == "Cast" for node in nodes)
    return ImageEntry(value, mean, tuple(nodes)) if is_cast else None


def _byte(constant: Any) -> int | None:
    """A scalar constant that is a whole number a byte can hold."""
    if constant is None or constant.size != 1:
        return None
    number = float(constant.reshape(-1)[0])
    return int(number) if number.is_integer() and 0 <= number <= _BYTE_MAX else None


def feed_image_directly(model: onnx.ModelProto) -> bool:
    """Cut byte → float → byte out of a quantised graph with unsigned activations, if it has such a detour."""
    entry = find_image_entry(model)
    if entry is None:
        return False
    graph = model.graph
    consumers = [node for node in graph.node if entry.value in node.input]
    if len(consumers) != 1 or consumers[0].op_type != "QuantizeLinear":
        return False
    detour = [node for node in entry.nodes if node.op_type not in _MOVES] + consumers
    for node in detour:
        for user in graph.node:
            for index, value in enumerate(user.input):
                if value == node.output[0]:
                    user.input[index] = node.input[0]
        graph.node.remove(node)
    # Types recorded for the tensors in between are no longer true.
    del graph.value_info[:]
    return True
