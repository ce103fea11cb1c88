"""The seam between stages and inference runtimes: a loaded network with a reused input buffer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agent.inference.bundle import NetworkEntry, NetworkFile


class Network(Protocol):
    """A network of fixed shapes, ready to run on the calling thread."""

    @property
    def input_buffer(self) -> NDArray[Any]:
        """The array to fill before :meth:`run`; shaped as the manifest says; the same object every time."""

    @property
    def output_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of the raw outputs, in graph order."""

    def run(self) -> tuple[NDArray[Any], ...]:
        """Infer from the buffer's present content.

        Returns:
            The raw outputs in graph order. They are valid until the next call.
        """

    def close(self) -> None:
        """Release the runtime's memory."""


@dataclass(frozen=True, slots=True)
class LoadedNetwork:
    """A network ready to run, and what the manifest says about it."""

    name: str
    """Key of the entry in the manifest."""
    entry: NetworkEntry
    file: NetworkFile
    """The artefact that runs: backend, precision, digest, scores."""
    network: Network
