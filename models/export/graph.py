"""Writes a network as an ONNX graph of one picture."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch

INPUT_NAME: Final = "image"
OPSET: Final = 17


def write_graph(
    network: torch.nn.Module, shape: tuple[int, ...], path: Path, output_names: Sequence[str]
) -> Path:
    """Trace a network that takes uint8 pixels of ``shape``, and return ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # The tracing exporter is deprecated but needs no extra package and writes the plain graph we want.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network,
            (torch.zeros(shape, dtype=torch.uint8),),
            str(path),
            input_names=[INPUT_NAME],
            output_names=list(output_names),
            opset_version=OPSET,
            dynamo=False,
        )
    return path
