"""Static INT8 for ONNX Runtime: QDQ format, one weight scale per output channel.

What leads from the last convolution to an output stays in float: scores and distances have ranges
of their own, and one shared 8-bit scale would cost them (onnxruntime issue 14233). At the other end
the uint8 image already is a quantised tensor; see ``quantize.backends.onnxruntime.image_entry``.

Ranges are plain minima and maxima. Percentiles (99.99, 99.999), entropy and a moving average were
tried on the expression network, on held-out FER+: accuracy within 0.3 point of one another, the first
three for double the time, the last with three times the error of the logits.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Final

import onnx
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from quantize.backends.onnxruntime.foreign import decodes_a_distribution, made_quantizable
from quantize.backends.onnxruntime.image_entry import feed_image_directly, find_image_entry
from quantize.backends.onnxruntime.wide_stem import widen_stem
from quantize.calibration import CalibrationReader, CalibrationSet

ACTIVATION_TYPES: Final = {"int8_u8s8": QuantType.QUInt8, "int8_s8s8": QuantType.QInt8}
"""Activations per precision; weights are signed in both."""
WEIGHTED: Final = frozenset({"Conv", "Gemm", "MatMul"})
CHUNK: Final = 16
"""Calibration images whose activations are in memory at once; divides the sets' sizes."""


def quantize_onnx(
    fp32_path: Path,
    int8_path: Path,
    precision: str,
    images: CalibrationSet,
    *,
    float_share: float = 0.0,
) -> None:
    """Write the INT8 form of a network.

    Args:
        fp32_path: One input.
        int8_path: To write.
        precision: A key of ``ACTIVATION_TYPES``.
        images: Inputs to measure activation ranges on.
        float_share: Of the weighted layers, from the image on, that stay in float as the tail does.
    """
    activation_type = ACTIVATION_TYPES[precision]
    with tempfile.TemporaryDirectory(prefix="quantize-") as folder:
        prepared, model = _prepared(fp32_path, Path(folder))
        entry = None if float_share else find_image_entry(model)
        overrides = {} if entry is None else entry.overrides(activation_type)
        with _QuietLogging():
            quantize_static(
                str(prepared),
                str(int8_path),
                CalibrationReader(images, model.graph.input[0].name),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=activation_type,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=sorted(tail_nodes(model) | front_nodes(model, float_share)),
                calibrate_method=CalibrationMethod.MinMax,
                extra_options={"CalibStridedMinMax": CHUNK, "TensorQuantOverrides": overrides},
            )
    if activation_type is QuantType.QUInt8 and not float_share:
        _read_bytes_directly(int8_path)


def _prepared(fp32_path: Path, folder: Path) -> tuple[Path, onnx.ModelProto]:
    source, prepared = folder / "source.onnx", folder / "prepared.onnx"
    onnx.save(made_quantizable(onnx.load(str(fp32_path))), str(source))
    # Shapes are fixed, so the slow symbolic inference has nothing to find.
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    return prepared, onnx.load(str(prepared))


def _read_bytes_directly(int8_path: Path) -> None:
    """Rewrite the way of a uint8 image into a network with unsigned activations."""
    quantized = onnx.load(str(int8_path))
    feed_image_directly(quantized)
    widen_stem(quantized)
    onnx.checker.check_model(quantized)
    onnx.save(quantized, str(int8_path))


def tail_nodes(model: onnx.ModelProto) -> set[str]:
    """Names of the nodes between the last weighted layer, included, and each output.

    The fixed weights with which a YOLO of YOLOv8's kind takes the mean of a distribution are no such layer.
    """
    producers = {output: node for node in model.graph.node for output in node.output}
    found: set[str] = set()
    pending = [output.name for output in model.graph.output]
    while pending:
        node = producers.get(pending.pop())
        if node is None or node.name in found:
            continue
        found.add(node.name)
        if node.op_type not in WEIGHTED or decodes_a_distribution(node, producers):
            pending += list(node.input)
    return found


def front_nodes(model: onnx.ModelProto, share: float) -> set[str]:
    """Names of the nodes up to where ``share`` of the weighted layers lie, the tail's not counted."""
    tail = tail_nodes(model)
    body = [node for node in model.graph.node if node.name not in tail]
    weighted = [index for index, node in enumerate(body) if node.op_type in WEIGHTED]
    count = round(share * len(weighted))
    end = weighted[count] if count < len(weighted) else len(body)
    return {node.name for node in body[:end]} if count else set()


class _QuietLogging:
    """Silences the quantiser's advice on the root logger while it runs."""

    def __enter__(self) -> None:
        self._before = logging.root.manager.disable
        logging.disable(logging.WARNING)

    def __exit__(self, *_details: object) -> None:
        logging.disable(self._before)
