"""Whether a graph has the input and the outputs that the manifest and the stages count on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import ModelError

if TYPE_CHECKING:
    from agent.inference.bundle import InputSpec


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a graph, as its runtime tells of it."""

    name: str
    shape: tuple[int | str, ...]
    """Whatever is left open is a word."""
    dtype: str
    """NumPy's name, or the runtime's where it is none of ours."""

    def __str__(self) -> str:
        """For refusals, such as "1x320x320x3 uint8"."""
        return f"{'x'.join(map(str, self.shape))} {self.dtype}"


def check_ports(
    path: Path, spec: InputSpec, inputs: Sequence[Port], outputs: Sequence[Port]
) -> tuple[tuple[int, ...], ...]:
    """The shapes of the outputs, in graph order.

    Args:
        path: The graph's file, for refusals.
        spec: What the manifest says about the one input.
        inputs: Of the graph.
        outputs: Likewise.

    Raises:
        ModelError: The input is another one, or an output has no fixed shape or isn't float32.
    """
    wanted = Port("", spec.shape, spec.dtype)
    if len(inputs) != 1:
        raise ModelError(f"{path} has {len(inputs)} inputs where the manifest says one ({wanted})")
    if (inputs[0].shape, inputs[0].dtype) != (spec.shape, spec.dtype):
        raise ModelError(
            f"{path} takes {inputs[0]} but the manifest says {wanted}: correct the manifest's input"
        )
    return tuple(_fixed_shape(path, port) for port in outputs)


def _fixed_shape(path: Path, output: Port) -> tuple[int, ...]:
    sizes = tuple(size for size in output.shape if isinstance(size, int) and size > 0)
    if output.dtype != "float32" or len(sizes) != len(output.shape):
        raise ModelError(
            f"{path}: output {output.name} is {output} where a fixed float32 shape is needed:"
            " export the network with a fixed batch and input size",
        )
    return sizes
