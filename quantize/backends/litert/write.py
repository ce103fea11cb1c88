"""Walks a quantised ONNX graph and asks a writer per operator."""

from __future__ import annotations

from pathlib import Path

import onnx

from agent.errors import ModelError
from quantize.backends.litert.operators import WRITERS
from quantize.backends.litert.translation import Translation


def write_litert(signed_path: Path, tflite_path: Path) -> None:
    """Write ``tflite_path`` from a file of signed activations for ONNX Runtime (``int8_s8s8``).

    Raises:
        ModelError: The graph holds something this translation doesn't know.
    """
    work = Translation(onnx.load(str(signed_path)))
    skipped, image = work.take_image()
    for node in work.model.graph.node:
        if node.name in skipped:
            continue
        if node.op_type == "QuantizeLinear":
            work.requantize(node)
        elif node.op_type == "DequantizeLinear":
            work.dequantize(node)
        elif node.op_type in WRITERS:
            WRITERS[node.op_type](work, node)
        else:
            raise ModelError(
                f"LiteRT files can't hold operator {node.op_type} ({node.name}) as written here:"
                " add it to quantize/backends/litert/operators.py",
            )
    outputs = [work.channels_first(output.name) for output in work.model.graph.output]
    work.graph.save(tflite_path, [image], outputs)
