"""The face detector as devices run it: plain convolutions, uint8 pixels in, raw maps out."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from models.export.graph import write_graph
from models.networks import STRIDES, ConvBlock, RepBlock, YoloFace

OUTPUT_NAMES: Final = tuple(f"out_{stride}" for stride in STRIDES)


def reparameterised(network: YoloFace) -> YoloFace:
    """Return a copy in evaluation form whose blocks are plain biased convolutions."""
    plain = copy.deepcopy(network).eval()
    _fold_children(plain)
    return plain.requires_grad_(requires_grad=False)


def _fold_children(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, ConvBlock | RepBlock):
            setattr(module, name, child.folded())
        else:
            _fold_children(child)


class DeployedYolo(nn.Module):
    """Re-parameterised network with the division by 255 folded into its first kernel."""

    def __init__(self, network: YoloFace) -> None:
        super().__init__()
        self.network = reparameterised(network)
        first = next(layer for layer in self.network.modules() if isinstance(layer, nn.Conv2d))
        with torch.no_grad():
            # The padding is zero, which scaling leaves alone, so the borders agree as well.
            first.weight.div_(255.0)
        self.eval()

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """1 x H x W x 3 uint8 BGR to the maps of ``YoloFace.forward``."""
        maps: tuple[Tensor, Tensor, Tensor] = self.network(image.permute(0, 3, 1, 2).float())
        return maps


def export_face(network: YoloFace, path: Path, input_px: int) -> Path:
    """Write the deployed form for a square input and return ``path``.

    The file has one input ``image``, uint8 1 x ``input_px`` x ``input_px`` x 3 BGR, and the outputs
    ``out_8``, ``out_16``, ``out_32``, float32 1 x 5 x (input_px/s) x (input_px/s). Behind the last
    activations of each head stand only two 1x1 convolutions and their concatenation.

    Raises:
        ValueError: ``input_px`` is not a positive multiple of 32.
    """
    if input_px <= 0 or input_px % STRIDES[-1]:
        raise ValueError(
            f"the detector's input size must be a positive multiple of {STRIDES[-1]}, not {input_px}"
        )
    return write_graph(DeployedYolo(network), (1, input_px, input_px, 3), path, OUTPUT_NAMES)
