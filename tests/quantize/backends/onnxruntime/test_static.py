"""Quantised networks keep their float tail, read the image's bytes directly and answer nearly the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType

from agent.inference.backends.onnx_runtime import OnnxRuntimeNetwork
from agent.inference.bundle.content import NetworkContent
from agent.inference.bundle.manifest import InputSpec
from models.export.emotion import export_emotion
from models.export.face import export_face
from models.networks.mobilenet import MobileNetEmotion
from models.networks.yolo import YoloFace, YoloSpec
from quantize.backends.onnxruntime.image_entry import feed_image_directly, find_image_entry
from quantize.backends.onnxruntime.static import quantize_onnx, tail_nodes
from quantize.calibration import letterboxed
from tests.support.network_fixtures import FACE, SCENE, make_entry
from tests.support.small_networks import SMALL_MOBILENET

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

TINY = YoloSpec(8, (8, 8, 8, 8), (1, 1, 1, 1), 8, 1)


@pytest.fixture(scope="module")
def face_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("face") / "face.onnx"
    export_face(YoloFace(TINY).eval(), path, 64)
    return path


@pytest.fixture(scope="module")
def emotion_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("emotion") / "emotion.onnx"
    export_emotion(MobileNetEmotion(SMALL_MOBILENET).eval(), path)
    return path


def noise(spec: InputSpec, count: int) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [
        generator.integers(0, 256, (spec.height_px, spec.width_px, 3), dtype=np.uint8) for _ in range(count)
    ]


def outputs_of(path: Path, spec: InputSpec, picture: np.ndarray) -> list[np.ndarray]:
    network = OnnxRuntimeNetwork(NetworkContent.read(path, "onnxruntime"), make_entry(spec), threads=1)
    network.input_buffer[...] = picture.reshape(spec.shape)
    return [output.copy() for output in network.run()]


@pytest.mark.parametrize("precision", ["int8_u8s8", "int8_s8s8"])
@pytest.mark.parametrize("kind", ["face", "emotion"])
def test_int8_answers_nearly_as_fp32(
    precision: str, kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    source: Path = request.getfixturevalue(f"{kind}_file")
    spec = SCENE if kind == "face" else FACE
    images = letterboxed(noise(spec, 32), spec)
    target = tmp_path / "int8.onnx"
    quantize_onnx(source, target, precision, images)
    for picture in images.inputs[:3]:
        pairs = zip(outputs_of(source, spec, picture), outputs_of(target, spec, picture), strict=True)
        for fp32, int8 in pairs:
            assert np.abs(fp32 - int8).max() < 0.1 * max(0.1, float(np.ptp(fp32)))


def test_convolutions_are_quantised_except_the_last(face_file: Path, tmp_path: Path) -> None:
    target = tmp_path / "int8.onnx"
    quantize_onnx(face_file, target, "int8_u8s8", letterboxed(noise(SCENE, 16), SCENE))
    model = onnx.load(str(target))
    dequantised = {n.output[0] for n in model.graph.node if n.op_type == "DequantizeLinear"}
    in_float = [n for n in model.graph.node if n.op_type == "Conv" and n.input[1] not in dequantised]
    assert len(in_float) == 6  # score and box at three strides


def test_image_bytes_enter_without_a_trip_through_float(
    face_file: Path, emotion_file: Path, tmp_path: Path
) -> None:
    for source, spec in ((face_file, SCENE), (emotion_file, FACE)):
        target = tmp_path / "int8.onnx"
        quantize_onnx(source, target, "int8_u8s8", letterboxed(noise(spec, 16), spec))
        operators = {node.op_type for node in onnx.load(str(target)).graph.node}
        assert not operators & {"Cast", "Sub"}


def test_tail_reaches_back_to_the_last_weighted_layer(face_file: Path) -> None:
    model = onnx.load(str(face_file))
    kinds = sorted(node.op_type for node in model.graph.node if node.name in tail_nodes(model))
    assert kinds == ["Concat"] * 3 + ["Conv"] * 6


def small_graph(mean: float | None, *, cast: bool = True) -> onnx.ModelProto:
    """Image → cast → transpose → minus mean → quantise → dequantise."""
    nodes, value = [], "image"
    if cast:
        nodes.append(helper.make_node("Cast", [value], ["real"], to=TensorProto.FLOAT))
        value = "real"
    nodes.append(helper.make_node("Transpose", [value], ["moved"], perm=[0, 3, 1, 2]))
    value = "moved"
    constants = [
        numpy_helper.from_array(np.array(1.0, np.float32), "scale"),
        numpy_helper.from_array(np.array(129 if mean == 129.0 else 0, np.uint8), "zero"),
    ]
    if mean is not None:
        constants.append(numpy_helper.from_array(np.array(mean, np.float32), "mean"))
        nodes.append(helper.make_node("Sub", [value, "mean"], ["centred"]))
        value = "centred"
    nodes.append(helper.make_node("QuantizeLinear", [value, "scale", "zero"], ["bytes"]))
    nodes.append(helper.make_node("DequantizeLinear", ["bytes", "scale", "zero"], ["out"]))
    kind = TensorProto.UINT8 if cast else TensorProto.FLOAT
    image = helper.make_tensor_value_info("image", kind, [1, 4, 4, 3])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 3, 4, 4])
    graph = helper.make_graph(nodes, "test", [image], [out], initializer=constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("mean", [None, 0.0, 129.0])
def test_direct_feed_changes_no_value(mean: float | None, tmp_path: Path) -> None:
    spec = InputSpec(height_px=8, width_px=8, colour="BGR")
    model = small_graph(mean)
    for value in (model.graph.input[0], model.graph.output[0]):
        for axis in value.type.tensor_type.shape.dim:
            axis.dim_value = 8 if axis.dim_value == 4 else axis.dim_value
    before, after = tmp_path / "before.onnx", tmp_path / "after.onnx"
    onnx.save(model, str(before))
    assert feed_image_directly(model)
    onnx.checker.check_model(model)
    onnx.save(model, str(after))
    assert {node.op_type for node in model.graph.node} == {"Transpose", "DequantizeLinear"}
    picture = np.arange(8 * 8 * 3, dtype=np.uint8) + 31
    assert (outputs_of(before, spec, picture)[0] == outputs_of(after, spec, picture)[0]).all()


def test_entry_names_the_tensor_and_what_is_subtracted() -> None:
    entry = find_image_entry(small_graph(129.0))
    assert entry is not None
    assert (entry.value, entry.mean) == ("centred", 129)
    (unsigned,) = entry.overrides(QuantType.QUInt8)["centred"]
    (signed,) = entry.overrides(QuantType.QInt8)["centred"]
    assert (int(unsigned["zero_point"]), int(signed["zero_point"])) == (129, 1)


@pytest.mark.parametrize("mean", [0.5, -3.0, 300.0])
def test_mean_that_is_no_byte_is_left_to_the_quantiser(mean: float) -> None:
    entry = find_image_entry(small_graph(mean))
    assert entry is not None
    assert (entry.value, entry.mean) == ("moved", 0)


def test_float_input_has_no_detour() -> None:
    assert find_image_entry(small_graph(None, cast=False)) is None
    assert not feed_image_directly(small_graph(None, cast=False))
