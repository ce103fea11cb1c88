"""What graphs of other exporters need before this project's quantiser can take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import onnx
from onnx import version_converter

from agent.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

LEAST_OPSET: Final = 13
"""From which on weights can have a scale per output channel."""
WANTED_OPSET: Final = 17
_VIEWS: Final = frozenset({"Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Identity"})


def made_quantizable(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network with an opset that knows per-channel scales, and a name for every node.

    Raises:
        ModelError: An operator can't be brought to that opset.
    """
    opset = next((item.version for item in model.opset_import if item.domain in {"", "ai.onnx"}), 0)
    if opset < LEAST_OPSET:
        try:
            model = version_converter.convert_version(model, WANTED_OPSET)
        except Exception as error:  # the converter raises bare RuntimeErrors, and others of its own
            reason = (str(error).splitlines() or [""])[0][:200]
            raise ModelError(
                f"opset {opset} can't be brought to {WANTED_OPSET}, which quantising needs ({reason}):"
                f" export the network again with opset {WANTED_OPSET}",
            ) from error
    taken = {node.name for node in model.graph.node}
    for index, node in enumerate(model.graph.node):
        # What stays in float is told to the quantiser by name.
        if not node.name:
            node.name = _free(f"{node.op_type}_{index}", taken)
    return model


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def decodes_a_distribution(node: Any, producers: Mapping[str, Any]) -> bool:
    """Whether a weighted node only takes the mean of what a softmax gave: part of a head, not a layer.

    Args:
        node: An ONNX node.
        producers: Every node of the graph by what it puts out.
    """
    source = producers.get(node.input[0])
    while source is not None and source.op_type in _VIEWS:
        source = producers.get(source.input[0])
    return source is not None and source.op_type == "Softmax"
