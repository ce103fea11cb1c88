"""Promises of the LiteRT backend and of the files written for it, on real networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from agent.errors import ModelError
from agent.inference.backends.opening import load_network
from agent.inference.bundle.content import NetworkContent
from agent.inference.bundle.manifest import InputSpec
from tests.support.backend_fixtures import EMOTION, FACE, pictures
from tests.support.network_fixtures import make_entry

if TYPE_CHECKING:
    from pathlib import Path

    from agent.inference.bundle.manifest import Bundle

pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed: pip install '.[litert]'")
from agent.inference.backends.litert_runtime import LiteRtNetwork, find_devices

pytestmark = pytest.mark.slow

SPEC = InputSpec(height_px=32, width_px=32, colour="BGR")


@pytest.mark.parametrize("name", [FACE, EMOTION])
def test_answers_are_those_of_the_signed_onnx_file_it_was_written_from(bundle: Bundle, name: str) -> None:
    """The same integers in another container; only the float tail may round differently."""
    entry = bundle.manifest.networks[name]
    ours = load_network(bundle, name, entry, backend="litert", precision="int8", threads=1).network
    theirs = load_network(
        bundle, name, entry, backend="onnxruntime", precision="int8_s8s8", threads=1
    ).network
    assert ours.output_shapes == theirs.output_shapes
    for picture in pictures(3, entry.input):
        ours.input_buffer[0] = theirs.input_buffer[0] = picture
        for mine, yours in zip(ours.run(), theirs.run(), strict=True):
            spread = float(yours.std(axis=tuple(range(2, yours.ndim)) or None).max())
            assert float(np.abs(mine - yours).max()) <= 0.25 * spread
            assert float(np.sqrt(np.mean((mine - yours) ** 2))) <= 0.05 * spread


def test_the_input_buffer_and_the_outputs_are_the_same_arrays_every_time(bundle: Bundle) -> None:
    entry = bundle.manifest.networks[EMOTION]
    network = load_network(bundle, EMOTION, entry, backend="litert", precision="int8", threads=1).network
    buffer, first = network.input_buffer, network.run()
    before = first[0].copy()
    network.input_buffer[0] = pictures(1, entry.input)[0]
    second = network.run()
    assert network.input_buffer is buffer
    assert all(a is b for a, b in zip(first, second, strict=True))
    assert not np.array_equal(before, second[0])


def test_another_input_than_the_manifests_is_refused(bundle: Bundle) -> None:
    entry = bundle.manifest.networks[EMOTION]
    (file,) = (file for file in entry.files if file.backend == "litert")
    with pytest.raises(ModelError, match=r"takes 1x48x48x1 uint8 but the manifest says 1x32x32x3 uint8"):
        LiteRtNetwork(bundle.read(file), make_entry(SPEC), 1)


def test_a_broken_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "n.tflite"
    path.write_bytes(b"no network at all")
    with pytest.raises(ModelError, match="install the bundle again") as caught:
        LiteRtNetwork(NetworkContent.read(path, "litert"), make_entry(SPEC), 1)
    assert "\n" not in str(caught.value)


def test_the_cpu_is_the_only_device(bundle: Bundle) -> None:
    assert find_devices() == ("cpu",)
    entry = bundle.manifest.networks[EMOTION]
    (file,) = (file for file in entry.files if file.backend == "litert")
    with pytest.raises(ModelError, match="cpu only"):
        LiteRtNetwork(bundle.read(file), entry, 1, "gpu")


def test_opening_says_nothing_on_stderr(bundle: Bundle, capfd: pytest.CaptureFixture[str]) -> None:
    """The library would announce its delegate once per network, past every logger."""
    entry = bundle.manifest.networks[EMOTION]
    load_network(bundle, EMOTION, entry, backend="litert", precision="int8", threads=1)
    assert capfd.readouterr().err == ""


def test_an_operator_without_translation_is_named(tmp_path: Path) -> None:
    import onnx  # noqa: PLC0415 - part of the development tools
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    from quantize.backends.litert.write import write_litert  # noqa: PLC0415 - needs LiteRT's schema

    def constant(name: str, value: float, dtype: type) -> onnx.TensorProto:
        return numpy_helper.from_array(np.array(value, dtype), name)

    nodes = [
        helper.make_node("Cast", ["image"], ["real"], name="cast", to=TensorProto.FLOAT),
        helper.make_node("QuantizeLinear", ["real", "one", "zero"], ["q"], name="q"),
        helper.make_node("DequantizeLinear", ["q", "one", "zero"], ["d"], name="d"),
        helper.make_node("Erf", ["d"], ["out"], name="odd_one"),
    ]
    shape = (1, 4, 4, 1)
    graph = helper.make_graph(
        nodes,
        "odd",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, shape)],
        initializer=[constant("one", 1.0, np.float32), constant("zero", -128, np.int8)],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        tmp_path / "odd.onnx",
    )
    with pytest.raises(ModelError, match=r"Erf \(odd_one\)"):
        write_litert(tmp_path / "odd.onnx", tmp_path / "odd.tflite")
