"""Imported networks: their graphs are made fit for the quantiser, and agreement with FP32 judges them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import EMOTIONS, Box, Face
from agent.errors import ConfigError, ModelError
from agent.inference.bundle.manifest import InputSpec
from agent.inference.bundle.place import default_bundle_folder
from models.importing.network import import_network
from models.importing.request import ImportRequest
from quantize.agreement import SLACK, THRESHOLD, agreement
from quantize.backends.onnxruntime.foreign import SILU_FLOOR, made_quantizable
from quantize.backends.onnxruntime.static import CHUNK, front_nodes, quantize_onnx, tail_nodes
from quantize.calibration import CalibrationSet
from quantize.plans.imported import FEWEST_PICTURES, calibration_count, imported_plans
from tests.support.user_networks import Export, Graph, draw, write_export

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

PLACE = Box(10, 10, 50, 60)


def face(score: float = 0.9, box: Box = PLACE, **emotions: float) -> Face:
    scores = tuple(emotions.get(label, 0.0) for label in EMOTIONS) if emotions else None
    return Face(box, score, scores)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([face()], [face()], 1.0),
        ([face()], [], 0.0),
        ([], [face()], 0.0),
        ([face()], [face(box=Box(200, 200, 240, 250))], 0.0),
        ([face(THRESHOLD + 0.01)], [face(THRESHOLD - SLACK + 0.01)], 1.0),
        ([face(THRESHOLD - 0.01)], [], 1.0),
        ([face(), face(box=Box(100, 100, 150, 150))], [face()], 2 / 3),
        ([face()], [face(), face(0.8)], 2 / 3),
        ([face(anger=0.9, fear=0.1)], [face(anger=0.1, fear=0.9)], 0.0),
        ([face(anger=0.52, fear=0.48)], [face(anger=0.48, fear=0.52)], 1.0),
    ],
    ids=[
        "the same",
        "lost",
        "invented",
        "elsewhere",
        "a little below the threshold",
        "unsure on both sides",
        "one of two lost",
        "one seen twice",
        "another expression",
        "an expression on the brink",
    ],
)
def test_agreement_counts_faces_that_one_side_alone_has(
    first: list[Face], second: list[Face], expected: float
) -> None:
    assert agreement([first], [second]) == pytest.approx(expected)


boxes = st.builds(
    lambda left, top, side: Box(left, top, left + side, top + side),
    st.floats(0, 200),
    st.floats(0, 200),
    st.floats(1, 80),
)
faces = st.lists(st.builds(Face, boxes, st.floats(0.3, 1.0)), max_size=8)


@given(st.lists(st.tuples(faces, faces), max_size=4))
def test_agreement_is_a_share_whichever_side_comes_first(
    pictures: list[tuple[list[Face], list[Face]]],
) -> None:
    first, second = [one for one, _ in pictures], [other for _, other in pictures]
    assert 0.0 <= agreement(first, second) <= 1.0
    assert agreement(first, second) == agreement(second, first)
    assert agreement(first, first) == 1.0


def graph_of(path: Path, export: Export) -> onnx.ModelProto:
    return onnx.load(str(write_export(path, export)))


def test_old_opset_is_raised_and_every_node_named(tmp_path: Path) -> None:
    model = made_quantizable(graph_of(tmp_path / "user.onnx", Export("v5", opset=11)))
    assert model.opset_import[0].version >= 13
    names = [node.name for node in model.graph.node]
    assert all(names)
    assert len(set(names)) == len(names)
    onnx.checker.check_model(model)


def test_names_and_a_recent_opset_stay_as_they_are(tmp_path: Path) -> None:
    model = graph_of(tmp_path / "user.onnx", Export("v8", opset=13))
    model.graph.node[3].name = "Relu_0"
    made = made_quantizable(model)
    assert made.opset_import[0].version == 13
    assert made.graph.node[3].name == "Relu_0"


def test_operator_that_no_newer_opset_has_is_refused(tmp_path: Path) -> None:
    model = graph_of(tmp_path / "user.onnx", Export("v5", opset=11))
    model.graph.node[0].op_type = "Nonsuch"
    with pytest.raises(ModelError, match="export the network again with opset 17"):
        made_quantizable(model)


def silu_network(path: Path) -> onnx.ModelProto:
    """Image → convolution that reaches from -60 to 20 → SiLU → convolution."""
    graph = Graph(17)
    kernel, second = np.zeros((8, 3, 1, 1)), np.full((1, 8, 1, 1), 0.5)
    kernel[:, 0, 0, 0] = np.linspace(-60.0, 20.0, 8)
    value = graph.add("Conv", "images", graph.constant(kernel))
    value = graph.add("Mul", value, graph.add("Sigmoid", value))
    value = graph.add("Conv", value, graph.constant(second), strides=[2, 2])
    output = graph.add("Conv", value, graph.constant(np.ones((1, 1, 1, 1))))
    image = onnx.helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [1, 3, 32, 32])
    info = onnx.helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, [1, 1, 16, 16])
    body = onnx.helper.make_graph(graph.nodes, "silu", [image], [info], initializer=graph.constants)
    model = onnx.helper.make_model(body, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return model


def answer(path: Path, picture: Any) -> Any:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"images": picture})[0]


@pytest.mark.parametrize("precision", ["int8_u8s8", "int8_s8s8"])
def test_silu_spends_no_bits_on_what_it_flattens_and_costs_no_node(precision: str, tmp_path: Path) -> None:
    source, floored, int8 = (tmp_path / name for name in ("source.onnx", "floored.onnx", "int8.onnx"))
    model = silu_network(source)
    pictures = np.random.default_rng(0).random((32, 3, 32, 32), np.float32)
    onnx.save(made_quantizable(model), str(floored))
    expected = answer(source, pictures[:1])
    assert np.abs(answer(floored, pictures[:1]) - expected).max() < 0.05
    quantize_onnx(source, int8, precision, CalibrationSet(pictures, "0" * 64))
    graph = onnx.load(str(int8)).graph
    assert "Clip" not in [node.op_type for node in graph.node]
    producers = {node.output[0]: node for node in graph.node}
    constants = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer}
    (sigmoid,) = [node for node in graph.node if node.op_type == "Sigmoid"]
    _, scale, zero_point = producers[sigmoid.input[0]].input
    lowest = np.iinfo(constants[zero_point].dtype).min
    reach = float(constants[scale]) * (lowest - int(constants[zero_point]))
    assert reach == pytest.approx(SILU_FLOOR, abs=0.2)


@pytest.mark.parametrize(("share", "weighted"), [(0.0, 0), (0.125, 1), (0.375, 2), (1.0, 5)])
def test_share_of_layers_kept_in_float_is_counted_from_the_image(
    share: float, weighted: int, tmp_path: Path
) -> None:
    model = made_quantizable(graph_of(tmp_path / "user.onnx", Export("v8")))
    kept = front_nodes(model, share)
    assert [node.op_type for node in model.graph.node if node.name in kept].count("Conv") == weighted
    assert not kept & tail_nodes(model)
    assert not kept or model.graph.node[0].name in kept


@pytest.mark.parametrize(("head", "convolutions"), [("v8", 6 + 1), ("v8_raw", 6), ("v5", 3)])
def test_whole_head_stays_in_float(head: str, convolutions: int, tmp_path: Path) -> None:
    """Behind the last layers, a fused head holds one more convolution, which only takes a mean."""
    model = made_quantizable(graph_of(tmp_path / "user.onnx", Export(head)))
    tail = tail_nodes(model)
    kinds = [node.op_type for node in model.graph.node if node.name in tail]
    assert kinds.count("Conv") == convolutions
    assert {"Sigmoid", "Concat", "Softmax"} & set(kinds) or head == "v5"
    in_front = [node.op_type for node in model.graph.node if node.name not in tail]
    assert "Softmax" not in in_front
    assert "Relu" in in_front


@pytest.mark.parametrize(
    ("side_px", "dtype", "available", "expected"),
    [
        (640, "float32", 1_000, 48),
        (320, "uint8", 1_000, 320),
        (320, "float32", 40, 32),
        (2048, "float32", 99, 16),
    ],
)
def test_calibration_takes_whole_chunks_that_fit_the_memory(
    side_px: int, dtype: Any, available: int, expected: int
) -> None:
    spec = InputSpec(height_px=side_px, width_px=side_px, colour="RGB", dtype=dtype)
    assert calibration_count(spec, available) == expected
    assert expected % CHUNK == 0


@pytest.fixture(name="bundle")
def bundle_fixture(tmp_path: Path) -> Path:
    request = ImportRequest(
        write_export(tmp_path / "user.onnx", Export("v8_raw")), name="mine", bundle=tmp_path / "bundle"
    )
    return import_network(request, lambda _line: None).bundle


def fill(folder: Path, count: int, faces_in: int) -> Path:
    folder.mkdir()
    for index in range(count):
        places = [(0, 96, 32 * (index % 5))] if index < faces_in else []
        cv2.imwrite(str(folder / f"{index:03}.png"), draw(places, seed=index))
    return folder


def test_too_few_pictures_are_refused_with_the_number_needed(bundle: Path, tmp_path: Path) -> None:
    folder = fill(tmp_path / "few", FEWEST_PICTURES - 1, 0)
    with pytest.raises(ConfigError, match=f"holds 23 picture.*{FEWEST_PICTURES} or more are needed"):
        list(imported_plans(bundle, "mine", tmp_path, folder))
    with pytest.raises(ConfigError, match="is no folder"):
        list(imported_plans(bundle, "mine", tmp_path, tmp_path / "nowhere"))


def test_without_any_pictures_the_user_is_asked_for_some(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no pictures to calibrate on in .*--images"):
        list(imported_plans(bundle, "mine", tmp_path, None))


def test_pictures_without_faces_can_judge_nothing(bundle: Path, tmp_path: Path) -> None:
    from quantize.build import build  # noqa: PLC0415 - beside its only use

    (plan,) = imported_plans(bundle, "mine", tmp_path, fill(tmp_path / "empty", FEWEST_PICTURES, 3))
    with pytest.raises(ModelError, match=r"finds only 1 face\(s\) in 8 pictures"):
        build(plan, tmp_path, lambda _line: None)


def test_judging_pictures_never_calibrate(bundle: Path, tmp_path: Path) -> None:
    folder = fill(tmp_path / "pictures", FEWEST_PICTURES, 0)
    for index, path in enumerate(sorted(folder.iterdir())):
        if index % 3 == 2:
            path.write_bytes(b"not a picture")
    (plan,) = imported_plans(bundle, "mine", tmp_path, folder)
    assert len(plan.images.inputs) == CHUNK


def test_classifier_is_not_taken_for_an_import(tmp_path: Path) -> None:
    folder = fill(tmp_path / "pictures", FEWEST_PICTURES, 0)
    with pytest.raises(ModelError, match="is a classifier"):
        list(imported_plans(default_bundle_folder(), "mobilenet_emotion", tmp_path, folder))
    with pytest.raises(ModelError, match="has no network 'mine'"):
        list(imported_plans(default_bundle_folder(), "mine", tmp_path, folder))


def test_scale_of_a_float_input_survives_the_manifest(bundle: Path) -> None:
    from agent.inference.bundle.manifest import Bundle  # noqa: PLC0415 - beside its only use

    scale = Bundle.load(bundle).manifest.networks["mine_320"].input.scale
    assert scale == pytest.approx(1 / 255, rel=1e-5)
    assert np.float32(255 * scale) == pytest.approx(1.0, abs=1e-5)
