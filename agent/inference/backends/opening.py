"""Chooses the file of a network that suits this device, and opens it with the backend it is made for."""

from __future__ import annotations

import importlib
import importlib.util
import platform
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Final

from agent.errors import AgentError, BackendError, ModelError
from agent.host import default_threads, read_cpu_flags
from agent.inference.network import LoadedNetwork, Network

if TYPE_CHECKING:
    from agent.inference.bundle import Bundle, NetworkContent, NetworkEntry, NetworkFile, Precision

    Opener = Callable[[NetworkContent, NetworkEntry, int, str], Network]

ADAPTERS: Final = {
    "onnxruntime": ("agent.inference.backends.onnx_runtime", "OnnxRuntimeNetwork"),
    "openvino": ("agent.inference.backends.openvino_runtime", "OpenVinoNetwork"),
    "litert": ("agent.inference.backends.litert_runtime", "LiteRtNetwork"),
}
"""Module and class that open each backend's files; imported only when used."""

CPU: Final = "cpu"
"""The device that every backend has."""


def load_network(
    bundle: Bundle,
    name: str,
    entry: NetworkEntry,
    *,
    backend: str,
    precision: str,
    threads: int,
    device: str = CPU,
) -> LoadedNetwork:
    """Pick an artefact, verify its digest, open and warm it up.

    Args:
        bundle: Where the files are.
        name: Key of ``entry`` in the manifest.
        entry: The network to load.
        backend: One of ``ADAPTERS``, or "auto".
        precision: One of the manifest's precisions, or "auto" for what this CPU does fastest.
        threads: For inference; 0 takes :func:`default_threads`.
        device: One of :func:`find_devices`.

    Raises:
        ModelError: The artefact is missing, altered, or not what the manifest says.
        BackendError: No artefact is for an installed backend.
    """
    file = choose_file(name, entry, backend=backend, precision=precision)
    network = open_network(bundle.read(file), entry, threads=threads or default_threads(), device=device)
    return LoadedNetwork(name, entry, file, network)


def open_network(content: NetworkContent, entry: NetworkEntry, *, threads: int, device: str = CPU) -> Network:
    """Open a network with the backend it is made for, check it against the manifest and run it once.

    Args:
        content: All of it; its digest is the caller's business.
        entry: What the manifest says about the network.
        threads: Inside one inference on the CPU; at least 1.
        device: One of :func:`find_devices`.

    Raises:
        ModelError: It is no network or not what ``entry`` says, or the device can't run it.
        BackendError: The backend is not installed.
    """
    module, class_name = _adapter(content.backend)
    opener: Opener = getattr(module, class_name)
    content.require_complete()
    try:
        return opener(content, entry, threads, device)
    except AgentError:
        raise
    except Exception as error:  # each runtime fails in its own way when a graph is run
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ModelError(
            f"{content.backend} can't run {content.path} ({reason}): install the bundle again"
        ) from error


def find_devices(backend: str) -> tuple[str, ...]:
    """What an installed backend can compute on, "cpu" first.

    Raises:
        BackendError: The backend is not installed.
    """
    module, _ = _adapter(backend)
    devices: tuple[str, ...] = module.find_devices()
    return devices


def choose_file(
    name: str, entry: NetworkEntry, *, backend: str, precision: str, cpu_flags: frozenset[str] | None = None
) -> NetworkFile:
    """Pick the artefact that a configuration and a CPU ask for.

    Raises:
        ModelError: The bundle has no file of this precision.
        BackendError: The bundle has no file for this backend.
    """
    backends = list(ADAPTERS) if backend == "auto" else [backend]
    files = [file for file in entry.files if file.backend in backends and file.backend in ADAPTERS]
    if not files:
        present = ", ".join(sorted({file.backend for file in entry.files}))
        wanted = " or ".join(backends)
        raise BackendError(
            f"no file of network {name!r} runs on {wanted} in this version, the bundle has it for {present}:"
            ' set models.backend = "auto"',
        )
    wanted_precisions = precision_order(cpu_flags) if precision == "auto" else (precision,)
    for candidate in wanted_precisions:
        for file in files:
            if file.precision == candidate:
                return file
    present = ", ".join(sorted({file.precision for file in files}))
    raise ModelError(
        f"network {name!r} has no {precision} file in this bundle, only {present}:"
        ' set models.precision = "auto"',
    )


def precision_order(cpu_flags: frozenset[str] | None = None) -> Sequence[Precision]:
    """Precisions from fastest to slowest as this CPU's instructions suggest.

    x86 with VNNI multiplies unsigned by signed bytes in one instruction; ARM with the dot-product
    extension signed by signed. Without either, INT8 is emulated and FP32 is the faster one.
    """
    flags = read_cpu_flags() if cpu_flags is None else cpu_flags
    if flags & {"avx512_vnni", "avx_vnni"}:
        return ("int8_u8s8", "int8_s8s8", "int8", "fp32")
    if "asimddp" in flags:
        return ("int8_s8s8", "int8_u8s8", "int8", "fp32")
    return ("fp32", "int8_u8s8", "int8_s8s8", "int8")


def _adapter(backend: str) -> tuple[ModuleType, str]:
    """The module that knows a backend, and its class."""
    module_name, class_name = ADAPTERS[backend]
    try:
        return importlib.import_module(module_name), class_name
    except ImportError as error:
        machine = platform.machine()
        raise BackendError(
            f"backend {backend} can't be imported on this {machine} ({error}):"
            f" install it with pip install 'emotion-agent[{backend}]'",
        ) from error
