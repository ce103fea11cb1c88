"""The expression classifier as devices run it: raw grey bytes in, nine logits out."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models.export.graph import write_graph
from models.networks import GREY_MEAN, GREY_STD, MobileNetEmotion

OUTPUT_NAME: Final = "logits"


class DeployedEmotion(nn.Module):
    """Normalisations folded into the convolutions; only the mean is still taken off the input.

    It can't be folded as well: the first convolution pads with zeros, which are mean grey, not black.
    """

    def __init__(self, network: MobileNetEmotion) -> None:
        super().__init__()
        self._side_px = network.spec.input_px
        self.features = _folded(network.features)
        first = next(layer for layer in self.features.modules() if isinstance(layer, nn.Conv2d))
        with torch.no_grad():
            first.weight.div_(GREY_STD)
        self.classifier = copy.deepcopy(network.classifier)
        self.eval().requires_grad_(requires_grad=False)

    def forward(self, image: Tensor) -> Tensor:
        """Logits ``(N, 9)`` of uint8 ``(N, S, S, 1)``."""
        # With one channel, channels-last and channels-first bytes lie alike: a reshape, not a transpose.
        grey = image.float().reshape(-1, 1, self._side_px, self._side_px) - GREY_MEAN
        pooled = functional.adaptive_avg_pool2d(self.features(grey), 1).flatten(1)
        logits: Tensor = self.classifier(pooled)
        return logits


def _folded(features: nn.Sequential) -> nn.Sequential:
    """Copy in which each convolution has swallowed the normalisation behind it."""
    folded = copy.deepcopy(features).eval()
    for layers in folded.modules():
        if not isinstance(layers, nn.Sequential) or len(layers) < 2:  # noqa: PLR2004 - a pair
            continue
        convolution, normalisation = layers[0], layers[1]
        if isinstance(convolution, nn.Conv2d) and isinstance(normalisation, nn.BatchNorm2d):
            layers[0] = fuse_conv_bn_eval(convolution, normalisation)
            layers[1] = nn.Identity()
    return folded


def export_emotion(network: MobileNetEmotion, path: Path) -> Path:
    """Write the FP32 graph: input ``image`` uint8 ``(1, S, S, 1)``, output ``logits`` ``(1, 9)``."""
    side_px = network.spec.input_px
    return write_graph(DeployedEmotion(network), (1, side_px, side_px, 1), path, (OUTPUT_NAME,))
