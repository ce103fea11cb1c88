"""Static INT8 for OpenVINO through NNCF, calibrated on the images that ONNX Runtime's files are.

Weights are symmetric per channel and activations asymmetric (preset "mixed"), which suits what a ReLU
leaves. The last weighted layer before each output stays in float, as in ``onnx_static``.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import onnx

from agent.errors import ModelError
from agent.inference.backends import opt_out_of_telemetry
from quantize.backends.onnxruntime import tail_nodes
from quantize.calibration import CalibrationSet


def quantize_openvino(fp32_path: Path, xml_path: Path, images: CalibrationSet) -> None:
    """Write ``xml_path`` and the ``.bin`` beside it from an exported ``.onnx`` with one uint8 input.

    Raises:
        ModelError: NNCF is not installed.
    """
    opt_out_of_telemetry()
    try:
        import nncf  # noqa: PLC0415 - several seconds, and wanted here only
        import openvino  # noqa: PLC0415 - same
    except ImportError as error:
        raise ModelError(
            f"OpenVINO files can't be written ({error}): install with pip install 'emotion-agent[quantize]'",
        ) from error
    # Not nncf.set_log_level: that also raises the level of every handler of the whole process.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    model = openvino.Core().read_model(str(fp32_path))
    tail = tail_nodes(onnx.load(str(fp32_path)))
    quantized = nncf.quantize(
        model,
        nncf.Dataset(images.inputs, lambda image: image[None]),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(images.inputs),
        ignored_scope=nncf.IgnoredScope(names=_names_in(model, tail)),
    )
    # Half-precision constants would save a few kilobytes of the float tail and blur it.
    openvino.save_model(quantized, str(xml_path), compress_to_fp16=False)


def _names_in(model: Any, onnx_names: set[str]) -> list[str]:
    """Operations that stand for the named ONNX nodes; one node may have become several.

    Raises:
        ModelError: None does, and the tail would be quantised after all.
    """
    present = {operation.get_friendly_name() for operation in model.get_ordered_ops()}
    found = {name for name in present if name in onnx_names or name.rpartition("/")[0] in onnx_names}
    if not found:
        raise ModelError(
            "OpenVINO names the operations unlike the ONNX file, so its tail can't be kept in float:"
            " use another version of OpenVINO",
        )
    return sorted(found)
