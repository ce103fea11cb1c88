"""Builds a TensorFlow Lite flatbuffer operator by operator, with the schema that LiteRT ships."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import flatbuffers  # type: ignore[import-untyped] # ships no types
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

_SCHEMA_VERSION: Final = 3
_FILE_IDENTIFIER: Final = b"TFL3"
_LAST_SHORT_CODE: Final = 127
"""Operator codes up to this one also stand in the byte that old readers look at."""
_TYPES: Final = {
    "float32": schema.TensorType.FLOAT32,
    "int32": schema.TensorType.INT32,
    "uint8": schema.TensorType.UINT8,
    "int8": schema.TensorType.INT8,
}


@dataclass(frozen=True, slots=True, eq=False)
class Quantization:
    """Real value = scale x (stored value - zero point), per tensor or per channel."""

    scales: NDArray[np.float32]
    zero_points: NDArray[np.int64]
    axis: int = 0
    """Of the channels, where there is more than one scale."""

    def equals(self, other: Quantization) -> bool:
        """Whether both read stored values alike."""
        return bool(
            np.array_equal(self.scales, other.scales) and np.array_equal(self.zero_points, other.zero_points)
        )


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Shape, element type and quantisation of a tensor that an operator computes."""

    shape: tuple[int, ...]
    dtype: str
    quantization: Quantization | None = None


class TfLiteGraph:
    """One subgraph; tensors are named by their index."""

    def __init__(self) -> None:
        self._tensors: list[Any] = []
        self.specs: list[TensorSpec] = []
        """What was said when each tensor was made."""
        self._operators: list[Any] = []
        self._codes: list[tuple[int, int]] = []
        self._buffers: list[Any] = [schema.BufferT()]

    def tensor(self, name: str, spec: TensorSpec) -> int:
        """Add a tensor whose values come at run time."""
        return self._add(name, spec, buffer=0)

    def constant(self, name: str, values: NDArray[Any], quantization: Quantization | None = None) -> int:
        """Add a tensor whose values travel in the file."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self._buffers.append(buffer)
        spec = TensorSpec(tuple(values.shape), values.dtype.name, quantization)
        return self._add(name, spec, len(self._buffers) - 1)

    def operator(
        self,
        code: str,
        inputs: Sequence[int],
        output: int,
        *,
        version: int = 1,
        options: tuple[str, Mapping[str, int]] | None = None,
    ) -> int:
        """Append an operator with one output.

        Args:
            code: Name in the schema's ``BuiltinOperator``.
            inputs: Tensors.
            output: Tensor that it computes; returned.
            version: Least version of the operator that knows these types.
            options: Name of the options table, and its fields.
        """
        key = (getattr(schema.BuiltinOperator, code), version)
        if key not in self._codes:
            self._codes.append(key)
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes.index(key)
        operator.inputs = list(inputs)
        operator.outputs = [output]
        if options is not None:
            table, fields = options
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            operator.builtinOptions = getattr(schema, f"{table}T")()
            for field, value in fields.items():
                if field not in vars(operator.builtinOptions):
                    raise AttributeError(f"{table} has no field {field}")
                setattr(operator.builtinOptions, field, value)
        self._operators.append(operator)
        return output

    def save(self, path: Path, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        """Write the file."""
        subgraph = schema.SubGraphT()
        subgraph.tensors = self._tensors
        subgraph.operators = self._operators
        subgraph.inputs, subgraph.outputs = list(inputs), list(outputs)
        subgraph.name = "main"
        model = schema.ModelT()
        model.version = _SCHEMA_VERSION
        model.subgraphs = [subgraph]
        model.buffers = self._buffers
        model.operatorCodes = [_operator_code(code, version) for code, version in self._codes]
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), _FILE_IDENTIFIER)
        path.write_bytes(bytes(builder.Output()))

    def _add(self, name: str, spec: TensorSpec, buffer: int) -> int:
        tensor = schema.TensorT()
        tensor.name = name
        tensor.shape = list(spec.shape)
        tensor.type = _TYPES[spec.dtype]
        tensor.buffer = buffer
        tensor.hasRank = True
        if spec.quantization is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = np.asarray(spec.quantization.scales, np.float32).reshape(-1)
            tensor.quantization.zeroPoint = np.asarray(spec.quantization.zero_points, np.int64).reshape(-1)
            tensor.quantization.quantizedDimension = spec.quantization.axis
        self._tensors.append(tensor)
        self.specs.append(spec)
        return len(self._tensors) - 1


def _operator_code(code: int, version: int) -> Any:
    entry = schema.OperatorCodeT()
    entry.deprecatedBuiltinCode = min(code, _LAST_SHORT_CODE)
    entry.builtinCode = code
    entry.version = version
    return entry
