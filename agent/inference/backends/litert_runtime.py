"""LiteRT (TensorFlow Lite) with XNNPACK, which its interpreter applies by itself.

The interpreter lends views of its tensors, but none may be held while it runs: the input is copied in
and the outputs are copied out, some microseconds for the largest.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from agent.errors import ModelError
from agent.inference.backends.ports import Port, check_ports

if TYPE_CHECKING:
    from agent.inference.bundle import NetworkContent, NetworkEntry

PACKAGES: Final = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter")
"""Where the interpreter may come from, best first."""


def _find_interpreter() -> Any:
    """Class ``Interpreter`` of the first package that is installed.

    Raises:
        ImportError: None is.
    """
    failures = []
    for package in PACKAGES:
        try:
            return importlib.import_module(package).Interpreter
        except ImportError as error:
            failures.append(str(error))
    raise ImportError("; ".join(failures))


_Interpreter: Final = _find_interpreter()


def find_devices() -> tuple[str, ...]:
    """What this backend computes on: the CPU only."""
    return ("cpu",)


class LiteRtNetwork:
    """A network in a LiteRT interpreter; see :class:`agent.inference.network.Network` and ``opening``."""

    def __init__(
        self, content: NetworkContent, entry: NetworkEntry, threads: int, device: str = "cpu"
    ) -> None:
        if device not in find_devices():
            raise ModelError(f"LiteRT has no device {device!r} here: it runs on cpu only")
        self._interpreter = _open(content, threads)
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self.output_shapes = check_ports(
            content.path,
            entry.input,
            [_port(detail, "shape") for detail in inputs],
            [_port(detail, "shape_signature") for detail in outputs],
        )
        self._input_index = int(inputs[0]["index"])
        self.input_buffer: NDArray[Any] = np.zeros(entry.input.shape, entry.input.dtype)
        self._outputs = tuple(np.zeros(shape, np.float32) for shape in self.output_shapes)
        self._views = tuple(self._interpreter.tensor(detail["index"]) for detail in outputs)
        self.run()

    def run(self) -> tuple[NDArray[Any], ...]:
        """See :meth:`agent.inference.network.Network.run`; the same arrays every time."""
        self._interpreter.set_tensor(self._input_index, self.input_buffer)
        self._interpreter.invoke()
        for output, view in zip(self._outputs, self._views, strict=True):
            np.copyto(output, view())
        return self._outputs

    def close(self) -> None:
        """Release the interpreter; :meth:`run` must not be called after."""
        del self._views, self._interpreter


def _open(content: NetworkContent, threads: int) -> Any:
    # The interpreter computes from these bytes and keeps them as long as itself.
    try:
        with _without_stderr():
            interpreter = _Interpreter(model_content=content.network, num_threads=threads)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ModelError(f"LiteRT can't load {content.path} ({reason}): install the bundle again") from error
    return interpreter


@contextlib.contextmanager
def _without_stderr() -> Iterator[None]:
    """The library announces its delegate on the process's stderr, past every logger.

    A pipe that nobody reads takes it, so that no file is opened for writing, not even ``/dev/null``.
    """
    kept = os.dup(2)
    unread, sink = os.pipe()
    os.set_blocking(sink, False)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(kept, 2)
        for descriptor in (kept, unread, sink):
            os.close(descriptor)


def _port(detail: Mapping[str, Any], sizes: str) -> Port:
    """With its present sizes (``shape``), or with what the file leaves open (``shape_signature``)."""
    shape = tuple(int(size) if size > 0 else "?" for size in detail[sizes])
    return Port(repr(detail["name"]), shape or ("?",), np.dtype(detail["dtype"]).name)
