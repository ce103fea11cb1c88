"""Promises of the widened first convolution: the very same integers, and hands off what doesn't fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from quantize.backends.onnxruntime.wide_stem import widen_stem

if TYPE_CHECKING:
    from numpy.typing import NDArray


def network(
    colours: int = 3, outputs: int = 16, kernel: int = 3, stride: int = 2, width: int = 32
) -> onnx.ModelProto:
    """A quantised convolution over a uint8 image, per-channel weights, as ``onnx_static`` leaves it."""
    generator = np.random.default_rng(4)
    weights = generator.integers(-127, 128, (outputs, colours, kernel, kernel)).astype(np.int8)
    bias = generator.integers(-900, 900, outputs).astype(np.int32)
    scales = generator.uniform(0.001, 0.01, outputs).astype(np.float32)
    constants: dict[str, NDArray[np.generic]] = {
        "one": np.array(1.0, np.float32),
        "mean": np.array(9, np.uint8),
        "w_q": weights,
        "w_scale": scales,
        "w_zero": np.zeros(outputs, np.int8),
        "b_q": bias,
        "b_zero": np.zeros(outputs, np.int32),
        "out_scale": np.array(1.7, np.float32),
        "out_zero": np.array(0, np.uint8),
    }
    pad = kernel // 2
    nodes = [
        helper.make_node("Transpose", ["image"], ["first"], "first", perm=[0, 3, 1, 2]),
        helper.make_node("DequantizeLinear", ["first", "one", "mean"], ["x"], "x"),
        helper.make_node("DequantizeLinear", ["w_q", "w_scale", "w_zero"], ["w"], "w", axis=0),
        helper.make_node("DequantizeLinear", ["b_q", "w_scale", "b_zero"], ["b"], "b", axis=0),
        helper.make_node(
            "Conv",
            ["x", "w", "b"],
            ["y"],
            "conv",
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[pad, pad, pad, pad],
            group=1,
        ),
        helper.make_node("QuantizeLinear", ["y", "out_scale", "out_zero"], ["y_q"], "y_q"),
        helper.make_node("DequantizeLinear", ["y_q", "out_scale", "out_zero"], ["out"], "out"),
    ]
    size = width // stride
    graph = helper.make_graph(
        nodes,
        "stem",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, (1, width, width, colours))],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, (1, outputs, size, size))],
        initializer=[numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def answer(model: onnx.ModelProto, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"image": image})[0])


@pytest.mark.parametrize(
    ("colours", "outputs", "kernel", "width"), [(3, 16, 3, 32), (3, 8, 5, 32), (1, 24, 5, 48), (3, 16, 7, 64)]
)
def test_a_widened_stem_answers_bit_by_bit_the_same(
    colours: int, outputs: int, kernel: int, width: int
) -> None:
    model = network(colours, outputs, kernel, width=width)
    image = np.random.default_rng(0).integers(0, 256, (1, width, width, colours), dtype=np.uint8)
    before = answer(model, image)
    assert widen_stem(model)
    np.testing.assert_array_equal(answer(model, image), before)
    assert before.std() > 0.0


def test_the_first_convolution_then_has_twice_the_channels_and_no_constant_is_left_over() -> None:
    model = network()
    widen_stem(model)
    stored = {item.name: tuple(item.dims) for item in model.graph.initializer}
    assert stored["w/wide0"] == (32, 12, 3, 2)
    used = {value for node in model.graph.node for value in node.input}
    assert set(stored) <= used


@pytest.mark.parametrize(
    "unfit", [{"outputs": 32}, {"width": 30}], ids=["wide enough", "no whole number of wide pixels"]
)
def test_what_does_not_fit_is_left_alone(unfit: dict[str, int]) -> None:
    model = network(**unfit)
    before = model.SerializeToString()
    assert not widen_stem(model)
    assert model.SerializeToString() == before


def test_a_network_without_a_byte_image_is_left_alone() -> None:
    model = network()
    model.graph.node.remove(model.graph.node[0])
    model.graph.node[0].input[0] = "image"
    assert not widen_stem(model)
