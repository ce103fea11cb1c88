"""ONNX Runtime on the CPU: fixed shapes, one input buffer, outputs in arrays kept from run to run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from agent.errors import ModelError
from agent.inference.backends.ports import Port, check_ports

if TYPE_CHECKING:
    from agent.inference.bundle import NetworkContent, NetworkEntry

_DTYPES: Final = {
    "tensor(uint8)": "uint8",
    "tensor(float)": "float32",
}
_PROVIDERS: Final = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
_LOG_FATAL: Final = 4
"""Errors are raised with the same words, and a file's names in them must not reach a terminal as they are."""


def find_devices() -> tuple[str, ...]:
    """What the installed build computes on, the CPU first; whether a driver is there shows on opening."""
    built_in = onnxruntime.get_available_providers()
    return tuple(device for device, provider in _PROVIDERS.items() if provider in built_in)


class OnnxRuntimeNetwork:
    """A network in an ONNX Runtime session; see :class:`agent.inference.network.Network` and ``opening``."""

    def __init__(
        self, content: NetworkContent, entry: NetworkEntry, threads: int, device: str = "cpu"
    ) -> None:
        self._session = _open_session(content, threads, device)
        inputs, outputs = _ports(self._session.get_inputs()), _ports(self._session.get_outputs())
        self.output_shapes = check_ports(content.path, entry.input, inputs, outputs)
        self.input_buffer: NDArray[Any] = np.zeros(entry.input.shape, entry.input.dtype)
        self._outputs = tuple(np.zeros(shape, np.float32) for shape in self.output_shapes)
        self._binding = self._bind()
        self.run()

    def _bind(self) -> Any:
        """Let the runtime read and write NumPy's own memory; the values must outlive the binding."""
        make_value = onnxruntime.OrtValue.ortvalue_from_numpy
        self._values = [make_value(array) for array in (self.input_buffer, *self._outputs)]
        binding = self._session.io_binding()
        binding.bind_ortvalue_input(self._session.get_inputs()[0].name, self._values[0])
        for output, value in zip(self._session.get_outputs(), self._values[1:], strict=True):
            binding.bind_ortvalue_output(output.name, value)
        return binding

    def run(self) -> tuple[NDArray[Any], ...]:
        """See :meth:`agent.inference.network.Network.run`; the same arrays every time, no allocation."""
        self._session.run_with_iobinding(self._binding)
        return self._outputs

    def close(self) -> None:
        """Release the session; :meth:`run` must not be called after."""
        del self._binding, self._session
        self._values.clear()


def _open_session(content: NetworkContent, threads: int, device: str) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = _LOG_FATAL
    # The arena keeps the largest block it ever gave out; without it memory goes back between runs.
    options.enable_cpu_mem_arena = False
    # Waiting threads sleep instead of burning the cores that capture and MQTT need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Else the runtime tells from the bytes, and its other format has ways to other files of its own.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    wanted = _PROVIDERS.get(device, device)
    providers = [wanted] if device == "cpu" else [wanted, _PROVIDERS["cpu"]]
    try:
        # Its own second try would print on stdout, and take another device than the one asked for.
        session = onnxruntime.InferenceSession(
            content.network, options, providers=providers, enable_fallback=0
        )
    except Exception as error:  # the runtime's errors share no other base class
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise ModelError(
            f"ONNX Runtime can't load {content.path} ({reason}): install the bundle again"
        ) from error
    if session.get_providers()[0] != wanted:
        # An accelerated build falls back to the CPU without a word when the driver is not there.
        raise ModelError(f"ONNX Runtime can't use device {device!r} here: install its driver, or use cpu")
    session._model_bytes = None  # noqa: SLF001 - kept for a change of device only, which there is none of
    return session


def _ports(values: Any) -> list[Port]:
    return [
        Port(repr(value.name), tuple(value.shape), _DTYPES.get(value.type, value.type)) for value in values
    ]
