"""Networks for tests: scripted ones, tiny ONNX files, and manifest entries to go with them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.frame import Frame
from agent.inference.bundle.manifest import InputSpec, NetworkEntry, NetworkFile
from agent.inference.network import LoadedNetwork

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SCENE = InputSpec(height_px=64, width_px=64, colour="BGR")
"""A detector input small enough to script: maps of 8×8, 4×4 and 2×2 cells."""
FACE = InputSpec(height_px=48, width_px=48, colour="GREY")


class ScriptedNetwork:
    """A network whose answers are set by the test; it remembers the input of each run."""

    def __init__(self, spec: InputSpec, outputs: Sequence[NDArray[Any]]) -> None:
        self.input_spec = spec
        self.input_buffer = np.zeros(spec.shape, spec.dtype)
        self.outputs = tuple(outputs)
        self.seen: list[NDArray[Any]] = []
        self.is_closed = False

    @property
    def output_shapes(self) -> tuple[tuple[int, ...], ...]:
        return tuple(output.shape for output in self.outputs)

    def run(self) -> tuple[NDArray[Any], ...]:
        self.seen.append(self.input_buffer.copy())
        return self.outputs

    def close(self) -> None:
        self.is_closed = True


def make_file(path: str = "network.onnx", precision: str = "fp32", content: bytes = b"") -> NetworkFile:
    return NetworkFile.model_validate(
        {
            "backend": "onnxruntime",
            "precision": precision,
            "path": path,
            "sha256": hashlib.sha256(content).hexdigest(),
        },
    )


def make_entry(spec: InputSpec, **fields: Any) -> NetworkEntry:
    """A manifest entry; a face detector unless ``fields`` says otherwise."""
    return NetworkEntry.model_validate(
        {
            "family": "test",
            "task": "face",
            "input": spec,
            "labels": ("face",),
            "licence": "Apache-2.0",
            "training_data": (),
            "files": (make_file(),),
            **fields,
        },
    )


def loaded(network: ScriptedNetwork, **fields: Any) -> LoadedNetwork:
    entry = make_entry(network.input_spec, **fields)
    return LoadedNetwork("test", entry, entry.files[0], network)


def empty_maps(spec: InputSpec = SCENE, channels: int = 5) -> list[NDArray[np.float32]]:
    """Raw maps at strides 8, 16, 32 in which no cell sees a face."""
    return [
        np.full((1, channels, spec.height_px // stride, spec.width_px // stride), -9.0, np.float32)
        for stride in (8, 16, 32)
    ]


def put_face(raw: NDArray[np.float32], row: int, column: int, logits: Sequence[float], reach: float) -> None:
    """Let one cell of a ``yolo_ltrb`` map see a square face that reaches ``reach`` strides each way."""
    count = len(logits)
    raw[0, :count, row, column] = logits
    raw[0, count : count + 4, row, column] = reach


def make_frame(pixels: NDArray[np.uint8]) -> Frame:
    return Frame(pixels, captured_at_s=0.0, source="test", index=0)


def write_onnx(
    path: Path,
    input_shape: Sequence[int],
    outputs: Sequence[tuple[str, Sequence[int | str]]],
    input_type: str = "UINT8",
) -> Path:
    """A network that answers, for every output, the input's mean in all places.

    An output of the shape ``(4, "name")`` lists the places of the pixels that aren't 0 instead, so that
    its size is known only after a run.
    """
    import onnx  # noqa: PLC0415 - only some tests need the package
    from onnx import TensorProto, helper  # noqa: PLC0415 - same

    nodes = [
        helper.make_node("Cast", ["image"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["real"], ["mean"], keepdims=0),
    ]
    constants = []
    infos = []
    for name, shape in outputs:
        if isinstance(shape[-1], int):
            constants.append(
                helper.make_tensor(
                    f"{name}_shape", TensorProto.INT64, [len(shape)], [int(size) for size in shape]
                )
            )
            nodes.append(helper.make_node("Expand", ["mean", f"{name}_shape"], [name]))
        else:
            nodes.append(helper.make_node("NonZero", ["real"], [f"{name}_places"]))
            nodes.append(helper.make_node("Cast", [f"{name}_places"], [name], to=TensorProto.FLOAT))
        infos.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))
    image = helper.make_tensor_value_info("image", getattr(TensorProto, input_type), list(input_shape))
    graph = helper.make_graph(nodes, "test", [image], infos, initializer=constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path
