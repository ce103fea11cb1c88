"""The one way trained weights are written: half precision, whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn


def write_weights(network: nn.Module, path: Path, **described: str | int) -> None:
    """Write ``state`` beside what ``described`` says of how to build the network."""
    state = {
        name: value.half() if value.dtype.is_floating_point else value
        for name, value in network.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save({**described, "state": state}, partial)
    partial.replace(path)
