"""Walks through the bytes of an ONNX file, as devices have no package ``onnx``.

Only what tells of operators and of data in other files is read; see
https://protobuf.dev/programming-guides/encoding and ``onnx.proto``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

PARTS: Final = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: "TensorProto",
        6: "GraphProto",
        10: "TensorProto",
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
    "TensorProto": {},
}
"""Message → field number → message: every way to a node or a tensor."""
OPERATOR: Final = ("NodeProto", 4)
DATA_LOCATION: Final = ("TensorProto", 14)
"""0 or absent where the data are in the file."""
_COMPILED: Final = "EPContext"
"""A part that some provider has compiled, which may be a file of its own."""
_VARINT, _LENGTH = 0, 2
_FIXED_BYTES: Final = {1: 8, 5: 4}
_MOST_VARINT_BITS: Final = 70


@dataclass(frozen=True, slots=True)
class OnnxFacts:
    """What an ONNX file is made of."""

    operators: frozenset[str]
    """Of all its nodes, in subgraphs and functions too."""
    has_external_data: bool

    @property
    def wants_other_files(self) -> bool:
        """Whether these bytes are not the whole network."""
        return self.has_external_data or _COMPILED in self.operators


def walk_onnx(content: bytes) -> OnnxFacts:
    """Look at every node and tensor; depth costs no recursion.

    Raises:
        ValueError: The bytes are no such message.
    """
    operators = set()
    is_external = False
    waiting = [("ModelProto", 0, len(content))]
    while waiting:
        message, at, end = waiting.pop()
        parts = PARTS[message]
        for number, value in _fields(content, at, end):
            if isinstance(value, int):
                is_external |= (message, number) == DATA_LOCATION and value != 0
            elif number in parts:
                waiting.append((parts[number], *value))
            elif (message, number) == OPERATOR:
                operators.add(content[slice(*value)].decode("utf-8", "replace"))
    return OnnxFacts(frozenset(operators), is_external)


def _fields(content: bytes, at: int, end: int) -> Iterator[tuple[int, int | tuple[int, int]]]:
    """Number of each field of a message, and its integer, or where it begins and ends."""
    while at < end:
        tag, at = _varint(content, at, end)
        number, kind = tag >> 3, tag & 7
        if not number or tag >> 32:
            raise ValueError("a field without a number")
        if kind == _VARINT:
            value, at = _varint(content, at, end)
            yield number, value
            continue
        if kind == _LENGTH:
            size, at = _varint(content, at, end)
        elif kind in _FIXED_BYTES:
            size = _FIXED_BYTES[kind]
        else:
            raise ValueError(f"a field of kind {kind}")
        if size > end - at:
            raise ValueError("a field that ends behind the file")
        yield number, (at, at + size)
        at += size


def _varint(content: bytes, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, _MOST_VARINT_BITS, 7):
        if at >= end:
            break
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follows
            return value, at
    raise ValueError("an endless number, or one cut off")
