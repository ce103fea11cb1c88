"""An ONNX file that wants another file is found out, wherever in it that is said."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from agent.errors import ModelError
from agent.inference.backends.opening import open_network
from agent.inference.bundle.content import NetworkContent
from agent.inference.bundle.onnx_walk import DATA_LOCATION, OPERATOR, PARTS, walk_onnx
from tests.support.network_fixtures import SCENE, make_entry, write_onnx

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def elsewhere(name: str = "w") -> TensorProto:
    """Four numbers that lie in the file ``weights``."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights")
    return tensor


def graph(**parts: Any) -> onnx.GraphProto:
    return helper.make_graph(parts.pop("nodes", []), "part", [], [], **parts)


def constant(**attribute: Any) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["c"], **attribute)


def within(*parts: Any) -> onnx.GraphProto:
    """A branch of an ``If`` in a branch of an ``If``."""
    inner = graph(nodes=list(parts))
    for _ in range(2):
        inner = graph(nodes=[helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=graph())])
    return inner


def sparse() -> onnx.SparseTensorProto:
    indices = numpy_helper.from_array(np.array([0], np.int64), "i")
    return helper.make_sparse_tensor(elsewhere(), indices, [9])


def initializer(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(elsewhere())


def sparse_initializer(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.append(sparse())


def value_of_a_node(model: onnx.ModelProto) -> None:
    model.graph.node.append(constant(value=elsewhere()))


def sparse_value_of_a_node(model: onnx.ModelProto) -> None:
    model.graph.node.append(constant(sparse_value=sparse()))


def list_of_tensors(model: onnx.ModelProto) -> None:
    node = constant(value=elsewhere())
    node.attribute[0].type = onnx.AttributeProto.TENSORS
    node.attribute[0].tensors.append(node.attribute[0].t)
    node.attribute[0].ClearField("t")
    model.graph.node.append(node)


def branch(model: onnx.ModelProto) -> None:
    model.graph.node.extend(within(constant(value=elsewhere())).node)


def function(model: onnx.ModelProto) -> None:
    body = [constant(value=elsewhere())]
    model.functions.append(helper.make_function("own", "f", [], ["c"], body, [helper.make_opsetid("", 17)]))


def training(model: onnx.ModelProto) -> None:
    model.training_info.add().algorithm.CopyFrom(graph(initializer=[elsewhere()]))


def compiled(model: onnx.ModelProto) -> None:
    """What TensorRT made of a part, by the name of a file."""
    model.graph.node.append(helper.make_node("EPContext", [], ["c"], domain="com.microsoft", embed_mode=0))


HIDING_PLACES = [
    *(initializer, sparse_initializer, value_of_a_node, sparse_value_of_a_node, list_of_tensors),
    *(branch, function, training, compiled),
]


@pytest.mark.parametrize("hide", HIDING_PLACES)
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_network_with_weights_elsewhere_is_refused_before_a_runtime_sees_it(
    hide: Callable[[onnx.ModelProto], None], backend: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A runtime that is given bytes would take whatever lies in the working directory."""
    model = onnx.load(str(write_onnx(tmp_path / "net.onnx", SCENE.shape, [("out", (1, 5, 84))])))
    hide(model)
    (tmp_path / "weights").write_bytes(bytes(16))
    monkeypatch.chdir(tmp_path)
    content = NetworkContent(tmp_path / "net.onnx", backend, model.SerializeToString())
    with pytest.raises(ModelError, match="in another file, which no digest covers: export it as one file"):
        open_network(content, make_entry(SCENE), threads=1)


def test_every_way_to_a_tensor_that_onnx_knows_is_walked() -> None:
    """A later version of the format that hides one elsewhere shows here."""
    for name, parts in PARTS.items():
        fields = getattr(onnx, name).DESCRIPTOR.fields
        known = {f.number: f.message_type.name for f in fields if f.message_type is not None}
        assert parts == {number: kind for number, kind in known.items() if kind in PARTS}
    for (name, number), called in ((OPERATOR, "op_type"), (DATA_LOCATION, "data_location")):
        assert getattr(onnx, name).DESCRIPTOR.fields_by_number[number].name == called


def test_operators_are_found_in_branches_and_functions(tmp_path: Path) -> None:
    model = onnx.load(str(write_onnx(tmp_path / "net.onnx", SCENE.shape, [("out", (1, 5, 84))])))
    model.graph.node.extend(within(helper.make_node("Loop", [], [])).node)
    function(model)
    facts = walk_onnx(model.SerializeToString())
    assert facts.operators == {"Cast", "ReduceMean", "Expand", "If", "Loop", "Constant"}


def test_depth_costs_no_recursion() -> None:
    """Ten thousand branches, one in the other; the tensor is in the last."""
    part = field(5, elsewhere().SerializeToString())
    for _ in range(10_000):
        part = field(1, field(5, field(6, part)))
    assert walk_onnx(field(7, part)).has_external_data


def field(number: int, content: bytes) -> bytes:
    """As a message holds another one."""
    size, length = bytearray(), len(content)
    while length > 0x7F:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([number << 3 | 2, *size, length]) + content


@given(st.binary(max_size=200))
def test_whatever_the_bytes_the_walk_ends(content: bytes) -> None:
    with contextlib.suppress(ValueError):
        walk_onnx(content)
