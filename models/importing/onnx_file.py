"""Opens a user's ONNX file and gives it what the agent needs: one picture of one fixed size."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnx import TensorProto

from agent.errors import ConfigError, ModelError
from agent.files import read_bounded
from agent.inference.bundle import (
    MOST_NETWORK_BYTES,
    MOST_SIDE_PX,
    InputSpec,
    NetworkContent,
    walk_onnx,
)

_DTYPES: Final[dict[int, Literal["float32", "uint8"]]] = {
    TensorProto.FLOAT: "float32",
    TensorProto.UINT8: "uint8",
}
_COLOURS: Final = frozenset({1, 3})
_NMS: Final = re.compile("nms|nonmaxsuppression", re.IGNORECASE)
_REPEATS: Final = frozenset({"Loop", "Scan"})
"""Operators whose end the file's own numbers decide: they may run for ever, and no detector needs them."""
_SIZE: Final = re.compile(r"(\d{1,5})(?:x(\d{1,5}))?")
COARSEST_STRIDE: Final = 32
_LOG_FATAL: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class UserFile:
    """An ONNX file, made to take one picture of a fixed size."""

    path: Path
    """Where it was read, for messages only."""
    content: bytes
    """As it was read."""
    model: Any
    """``onnx.ModelProto``; as in the file where nothing was changed."""
    spec: InputSpec
    """Colour order and scale are yet to be stated."""
    outputs: tuple[tuple[str, tuple[int, ...]], ...]
    """Names and shapes, as a run gave them."""
    changes: tuple[str, ...] = ()
    """What is different from the file, in words; where empty, the file itself can be used."""

    @property
    def shapes_in_words(self) -> str:
        """Of the outputs."""
        return ", ".join(f"{name} {_times(shape)}" for name, shape in self.outputs) or "none"

    @property
    def class_names(self) -> tuple[str, ...]:
        """As the exporter noted them; empty where it didn't."""
        try:
            names = ast.literal_eval(self.metadata.get("names", ""))
            if isinstance(names, dict):
                names = [names[key] for key in sorted(names)]
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return ()
        return tuple(str(name) for name in names) if isinstance(names, list | tuple) else ()

    @property
    def metadata(self) -> dict[str, str]:
        """What the exporter noted, by key."""
        return _metadata(self.model)

    @property
    def bytes_to_run(self) -> bytes:
        """The user's own, byte for byte, where nothing was changed."""
        return self.model.SerializeToString() if self.changes else self.content

    def changed(self, outputs: tuple[tuple[str, tuple[int, ...]], ...], change: str) -> UserFile:
        """The same after an edit of ``model``."""
        return replace(self, outputs=outputs, changes=(*self.changes, change))


def open_user_file(path: Path, input_px: str | None) -> UserFile:
    """Read, fix the input's size, run once.

    ``input_px`` is ``SIDE`` or ``WIDTHxHEIGHT`` for a file that takes any size; None for one with its own.

    Raises:
        ModelError: It is no ONNX file, or one that the agent can't run.
        ConfigError: ``input_px`` is no size, or not this file's.
    """
    content, model = _load(path)
    changes = []
    image = _only_input(path, model)
    shape = _sizes(image)
    if len(shape) != 4:  # noqa: PLR2004 - batch, channels, rows, columns
        raise ModelError(f"{path} takes {_times(shape)}, which is no picture: export a detector")
    layout: Literal["NHWC", "NCHW"] = "NHWC" if shape[3] in _COLOURS and shape[1] not in _COLOURS else "NCHW"
    rows, columns, channel = (1, 2, 3) if layout == "NHWC" else (2, 3, 1)
    fixed = [1, 0, 0, 0]
    fixed[rows], fixed[columns] = _size_px(path, model, (shape[rows], shape[columns]), input_px)
    fixed[channel] = shape[channel] or 3
    if shape[0] not in {0, 1} or fixed[channel] not in _COLOURS:
        raise ModelError(f"{path} takes {_times(shape)}: export it for one picture of 3 colours")
    spec = InputSpec(
        height_px=fixed[rows],
        width_px=fixed[columns],
        colour="GREY" if fixed[channel] == 1 else "RGB",
        layout=layout,
        dtype=_dtype(path, image),
    )
    if list(shape) != fixed:
        for axis, size in zip(image.type.tensor_type.shape.dim, fixed, strict=True):
            axis.dim_value = size
        changes.append(f"its input of {_times(shape)} is fixed at {_times(fixed)}")
    outputs = _fixed_outputs(path, model, spec)
    return UserFile(path, content, model, spec, outputs, tuple(changes))


def _load(path: Path) -> tuple[bytes, Any]:
    """The file's bytes, and what they say."""
    try:
        content = read_bounded(path, MOST_NETWORK_BYTES)
    except OSError as error:
        raise ModelError(f"can't read {path} ({error.strerror or error}): name an .onnx file") from error
    try:
        model = onnx.load_model_from_string(content)
        facts = walk_onnx(content)
    except (DecodeError, ValueError):
        model = onnx.ModelProto()
    # Almost any bytes parse as an empty message.
    if not model.ir_version or not model.graph.node:
        raise ModelError(f"{path} is not an ONNX file: export the network to ONNX first, without NMS")
    NetworkContent(path, "onnxruntime", content).require_complete()
    if any(map(_NMS.search, facts.operators)):
        raise ModelError(f"{path} does its own non-maximum suppression: export it without NMS")
    if repeating := ", ".join(sorted(facts.operators & _REPEATS)):
        raise ModelError(f"{path} has operators that may never end ({repeating}): export it without them")
    return content, model


def _only_input(path: Path, model: Any) -> Any:
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(_text(value.name) for value in inputs) or "none"
        raise ModelError(f"{path} has {len(inputs)} inputs ({names}): export it with the picture alone")
    return inputs[0]


def _dtype(path: Path, image: Any) -> Literal["float32", "uint8"]:
    kind = image.type.tensor_type.elem_type
    if kind not in _DTYPES:
        known = kind in TensorProto.DataType.values()
        name = TensorProto.DataType.Name(kind).lower() if known else "unknown"
        raise ModelError(f"{path} takes {name} pixels: export it with float32 ones (half=False)")
    return _DTYPES[kind]


def _size_px(path: Path, model: Any, own: tuple[int, int], wanted: str | None) -> tuple[int, int]:
    """Rows and columns of the input."""
    if wanted is None:
        if not all(own):
            numbers = re.findall(r"\d{2,4}", _metadata(model).get("imgsz", ""))[:2]
            size = numbers[0] if len(set(numbers)) == 1 else "x".join(reversed(numbers))
            raise ModelError(f"{path} takes pictures of any size: fix one with --input-px {size or 320}")
        return _multiples(path, own, "export it with another imgsz")
    match = _SIZE.fullmatch(wanted)
    if match is None:
        raise ConfigError(
            f"--input-px {wanted} is no size: give SIDE or WIDTHxHEIGHT, such as 320 or 640x384"
        )
    width, height = int(match[1]), int(match[2] or match[1])
    for given, fixed in ((height, own[0]), (width, own[1])):
        if fixed not in {0, given}:
            raise ConfigError(
                f"--input-px {wanted} does not fit {path}, whose input is fixed at {own[1]}x{own[0]} px:"
                " leave the option away, or export the network with that size",
            )
    return _multiples(path, (height, width), "give --input-px another size")


def _multiples(path: Path, size_px: tuple[int, int], remedy: str) -> tuple[int, int]:
    if any(side % COARSEST_STRIDE or not 0 < side <= MOST_SIDE_PX for side in size_px):
        raise ModelError(
            f"{path} at {size_px[1]}x{size_px[0]} px: both must be multiples of {COARSEST_STRIDE}"
            f" up to {MOST_SIDE_PX}: {remedy}"
        )
    return size_px


def _fixed_outputs(path: Path, model: Any, spec: InputSpec) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Shapes that hold for any picture, also written into the model."""
    noise = np.random.default_rng(0).integers(0, 256, spec.shape).astype(spec.dtype)
    found = []
    for name, first, second in _answers(path, model, np.zeros_like(noise), noise):
        if first.shape != second.shape or first.dtype != np.float32 or not first.size:
            raise ModelError(
                f"{path}: output {name} is {_times(first.shape)} {first.dtype} for one picture and"
                f" {_times(second.shape)} for another: export the network without NMS, in float32",
            )
        found.append((name, first.shape))
    if [_sizes(output) for output in model.graph.output] != [shape for _, shape in found]:
        write_outputs(model, found)
    return tuple(found)


def write_outputs(model: Any, outputs: list[tuple[str, tuple[int, ...]]]) -> None:
    """Let a graph have these float32 outputs, whatever it had."""
    infos = [onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs]
    del model.graph.output[:]
    model.graph.output.extend(infos)
    # Shapes noted for the tensors in between may be those of another size.
    del model.graph.value_info[:]


def _answers(path: Path, model: Any, *pictures: NDArray[Any]) -> list[tuple[Any, ...]]:
    """Name of each output, and what it is for each picture."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _LOG_FATAL
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
        image = session.get_inputs()[0].name
        answers = [session.run(None, {image: picture}) for picture in pictures]
    except Exception as error:  # the runtime's errors share no other base class
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(
            f"ONNX Runtime can't run {path} ({reason}): export it again, for example with opset 17"
        ) from error
    return list(zip((output.name for output in session.get_outputs()), *answers, strict=True))


def _metadata(model: Any) -> dict[str, str]:
    return {_text(item.key): _text(item.value) for item in model.metadata_props}


def _text(words: str | bytes) -> str:
    """Of a file: what is no UTF-8 comes as bytes."""
    return words if isinstance(words, str) else words.decode("utf-8", "replace")


def _sizes(value: Any) -> tuple[int, ...]:
    """Of a graph's input or output; 0 where any size goes, which some exporters write as -1."""
    return tuple(max(0, axis.dim_value) for axis in value.type.tensor_type.shape.dim)


def _times(shape: tuple[int, ...] | list[int]) -> str:
    return "x".join(str(size or "?") for size in shape) or "a single number"
