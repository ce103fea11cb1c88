"""Promises of the OpenVINO artefact: INT8 inside, float tail, near the FP32 answers, nothing reported."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from agent.inference.backends.opening import open_network
from agent.inference.bundle.content import NetworkContent
from agent.inference.bundle.reference import agreement, reference_input
from tests.support.backend_fixtures import EMOTION, FACE, pictures

if TYPE_CHECKING:
    from pathlib import Path

    from agent.inference.bundle.manifest import Bundle

pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install '.[openvino]'")
pytest.importorskip("nncf", reason="NNCF is not installed: pip install '.[quantize]'")
pytest.importorskip("skimage", reason="scikit-image is not installed: pip install '.[quantize]'")
from agent.inference.backends.openvino_runtime import TELEMETRY
from models.bundling.reference import reference_picture
from quantize.backends.openvino import quantize_openvino
from quantize.calibration import CalibrationSet

pytestmark = pytest.mark.slow


@pytest.fixture(name="quantized", scope="module", params=[EMOTION, FACE])
def quantized_fixture(
    request: pytest.FixtureRequest, bundle: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    name: str = request.param
    entry = bundle.manifest.networks[name]
    path = tmp_path_factory.mktemp("openvino") / f"{name}.int8.xml"
    images = CalibrationSet(pictures(8, entry.input), "0" * 64)
    quantize_openvino(bundle.folder / f"{name}.fp32.onnx", path, images)
    return name, path


def test_weights_are_bytes_and_the_tail_is_float(quantized: tuple[str, Path]) -> None:
    import openvino  # noqa: PLC0415 - only where it is installed

    name, path = quantized
    model = openvino.Core().read_model(str(path))
    weighted = [
        operation
        for operation in model.get_ordered_ops()
        if operation.get_type_name() in {"Convolution", "GroupConvolution", "MatMul"}
    ]
    is_float = {
        operation.get_friendly_name(): operation.input(1).get_source_output().get_node().get_type_name()
        == "Constant"
        for operation in weighted
    }
    tails = {"classifier"} if name == EMOTION else {"score/Conv", "box/Conv"}
    kept = {operation for operation, plain in is_float.items() if plain}
    assert len(kept) == (1 if name == EMOTION else 6)
    assert all(any(tail in operation for tail in tails) for operation in kept)
    assert len(weighted) > 3 * len(kept)


def test_answers_stay_close_to_fp32(quantized: tuple[str, Path], bundle: Bundle) -> None:
    name, path = quantized
    entry = bundle.manifest.networks[name]
    picture = reference_input(reference_picture(), entry.input)
    answers = []
    fp32 = NetworkContent.read(bundle.folder / f"{name}.fp32.onnx", "onnxruntime")
    for content in (NetworkContent.read(path, "openvino"), fp32):
        network = open_network(content, entry, threads=1)
        network.input_buffer[...] = picture
        answers.append([answer.copy() for answer in network.run()])
    assert agreement(answers[0], answers[1]) > 0.5


def test_quantising_loads_no_telemetry(quantized: tuple[str, Path]) -> None:
    assert quantized[1].with_suffix(".bin").exists()
    assert sys.modules.get(TELEMETRY, None) is None
