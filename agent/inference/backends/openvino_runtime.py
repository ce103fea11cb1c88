"""OpenVINO on the CPU: one stream for latency, the input read from NumPy's own memory.

Importing ``openvino`` reports to its maker through the package ``openvino_telemetry`` unless a file in
the user's home says otherwise. The package is made unimportable first, which OpenVINO takes for "not
installed"; nothing is written and nothing is sent.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from agent.errors import ModelError
from agent.inference.backends.ports import Port, check_ports

TELEMETRY: Final = "openvino_telemetry"


def opt_out_of_telemetry() -> None:
    """Keep OpenVINO and NNCF from loading their telemetry in this process; harmless when repeated."""
    sys.modules[TELEMETRY] = None  # type: ignore[assignment] # how Python marks a module as absent


opt_out_of_telemetry()

import openvino  # noqa: E402 - only after the opt-out

if TYPE_CHECKING:
    from pathlib import Path

    from agent.inference.bundle import NetworkContent, NetworkEntry

_DTYPES: Final = {"u8": "uint8", "f32": "float32"}


@functools.cache
def _core() -> Any:
    """One for all networks: each loads its plugins anew, and keeps them."""
    return openvino.Core()


def find_devices() -> tuple[str, ...]:
    """What OpenVINO can compute on here, the CPU first, then GPU and NPU where their drivers are."""
    present = [name.lower() for name in _core().available_devices]
    return ("cpu", *(name for name in present if name != "cpu"))


class OpenVinoNetwork:
    """A network compiled by OpenVINO; see :class:`agent.inference.network.Network` and ``opening``."""

    def __init__(
        self, content: NetworkContent, entry: NetworkEntry, threads: int, device: str = "cpu"
    ) -> None:
        core, path = _core(), content.path
        model = _read(core, content)
        self.output_shapes = check_ports(path, entry.input, _ports(model.inputs), _ports(model.outputs))
        self.input_buffer: NDArray[Any] = np.zeros(entry.input.shape, entry.input.dtype)
        self._outputs = tuple(np.zeros(shape, np.float32) for shape in self.output_shapes)
        self._compiled = _compile(core, model, path, threads, device)
        self._request = self._bind()
        self.run()

    def _bind(self) -> Any:
        """Let the runtime read and write NumPy's own memory; the arrays outlive the request."""
        request = self._compiled.create_infer_request()
        request.set_input_tensor(0, openvino.Tensor(self.input_buffer, shared_memory=True))
        for index, array in enumerate(self._outputs):
            request.set_output_tensor(index, openvino.Tensor(array, shared_memory=True))
        return request

    def run(self) -> tuple[NDArray[Any], ...]:
        """See :meth:`agent.inference.network.Network.run`; the same arrays every time, no allocation."""
        # On the calling thread: handing over to another one costs a turn of the system's scheduler.
        self._request.infer(None, share_inputs=True, share_outputs=True)
        return self._outputs

    def close(self) -> None:
        """Release the compiled network; :meth:`run` must not be called after."""
        del self._request, self._compiled


def _read(core: Any, content: NetworkContent) -> Any:
    try:
        return core.read_model(content.network, content.weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[-200:] or type(error).__name__
        raise ModelError(
            f"OpenVINO can't load {content.path} ({reason}): install the bundle again"
        ) from error


def _compile(core: Any, model: Any, path: Path, threads: int, device: str) -> Any:
    settings: dict[str, str | int] = {"PERFORMANCE_HINT": "LATENCY"}
    if device == "cpu":
        settings |= {
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": threads,
            # The daemon leaves a core to capture and MQTT by its thread count; pinning would undo that.
            "ENABLE_CPU_PINNING": False,
            # FP32 files are the reference other precisions are judged by: no silent bfloat16.
            "INFERENCE_PRECISION_HINT": "f32",
        }
    try:
        return core.compile_model(model, device.upper(), settings)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[-200:] or type(error).__name__
        raise ModelError(
            f'OpenVINO can\'t compile {path} for {device} ({reason}): set models.backend = "onnxruntime"',
        ) from error


def _ports(values: Any) -> list[Port]:
    ports = []
    for index, value in enumerate(values):
        sizes = value.partial_shape
        shape = tuple(map(int, value.shape)) if sizes.is_static else (str(sizes),)
        dtype = value.element_type.get_type_name()
        ports.append(Port(str(index), shape, _DTYPES.get(dtype, dtype)))
    return ports
