"""The expression classifier: MobileNetV2 residuals, fused early, on a small grey face.

Plain 3x3 convolutions replace the depthwise pair while maps are large, as in EfficientNetV2 (Tan & Le 2021,
"Fused-MBConv") and MobileNet-EdgeTPU: at these sizes a processor runs them faster than three thin layers, in
training even more so. The last stage keeps the inverted residuals of MobileNetV2 (Sandler et al. 2018).
ReLU only and no squeeze-and-excite, so that eight bits are enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from agent.domain import LABELS
from models.networks.growing import grow

FAMILY: Final = "mobilenet_emotion"

EMOTION_LABELS: Final = LABELS
"""Meaning of the logits, in order: the eight expressions, then ``unknown``."""

GREY_MEAN: Final = 129.0
GREY_STD: Final = 64.0
"""Of FER+ training pixels in 0...255, rounded; they only centre the input."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A run of residual blocks of one width; the first one carries the stride."""

    channels: int
    blocks: int
    stride: int
    expansion: int | None = None
    """Hidden channels as a multiple of the block's input channels; None: one plain 3x3 convolution."""


@dataclass(frozen=True, slots=True)
class MobileNetSpec:
    """What makes one member of the family."""

    stem_channels: int
    stages: tuple[Stage, ...]
    head_channels: int = 512
    input_px: int = 48
    """Side of the square grey input; those of FER+ are 48 px and enlarged for the rest."""


def _spec(middle: int, coarse: int, coarse_blocks: int, head: int, input_px: int) -> MobileNetSpec:
    """A member by its channels at a quarter and an eighth of the side, and the residuals on the last."""
    return MobileNetSpec(
        stem_channels=16,
        stages=(
            Stage(channels=48, blocks=1, stride=2),
            Stage(channels=48, blocks=1, stride=1),
            Stage(channels=middle, blocks=1, stride=2),
            Stage(channels=middle, blocks=2, stride=1),
            Stage(channels=coarse, blocks=1, stride=2),
            Stage(channels=coarse, blocks=coarse_blocks, stride=1, expansion=3),
        ),
        head_channels=head,
        input_px=input_px,
    )


VARIANTS: Final = {
    "edge": _spec(middle=96, coarse=160, coarse_blocks=3, head=512, input_px=48),
    "full": _spec(middle=104, coarse=192, coarse_blocks=5, head=640, input_px=64),
}
"""Both look at every pixel before they halve the map, which costs little there and tells mouths apart."""


def _convolution(
    inputs: int,
    outputs: int,
    *,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
    rectified: bool = True,
) -> nn.Sequential:
    """Convolution without bias, batch normalisation and, unless it ends a residual branch, ReLU."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    if rectified:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class InvertedResidual(nn.Module):
    """Widen, filter, project, or one plain convolution; added to its input where the shapes agree."""

    def __init__(self, inputs: int, stage: Stage, stride: int) -> None:
        super().__init__()
        outputs = stage.channels
        self.added = stride == 1 and inputs == outputs
        # Behind the sum: a rectified branch that starts as nothing would have no gradient and stay nothing.
        self.rectified_sum = stage.expansion is None and self.added
        if stage.expansion is None:
            self.branch = _convolution(inputs, outputs, kernel=3, stride=stride, rectified=not self.added)
        else:
            hidden = inputs * stage.expansion
            self.branch = nn.Sequential(
                _convolution(inputs, hidden),
                _convolution(hidden, hidden, kernel=3, stride=stride, groups=hidden),
                _convolution(hidden, outputs, rectified=False),
            )

    def forward(self, features: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, C', H/stride, W/stride)``."""
        filtered: Tensor = self.branch(features)
        total = features + filtered if self.added else filtered
        return functional.relu(total, inplace=True) if self.rectified_sum else total


class MobileNetEmotion(nn.Module):
    """Nine logits, in the order of :data:`EMOTION_LABELS`, from normalised grey faces."""

    def __init__(self, spec: MobileNetSpec, dropout: float = 0.3) -> None:
        super().__init__()
        self.spec = spec
        channels = spec.stem_channels
        layers: list[nn.Module] = [_convolution(1, channels, kernel=3)]
        for stage in spec.stages:
            for block in range(stage.blocks):
                layers.append(InvertedResidual(channels, stage, stage.stride if block == 0 else 1))
                channels = stage.channels
        head = spec.head_channels
        layers.append(_convolution(channels, head))
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(head, len(EMOTION_LABELS))
        self._initialise()

    def forward(self, grey: Tensor) -> Tensor:
        """Logits ``(N, 9)`` of float ``(N, 1, S, S)`` pixels in 0...255."""
        normalised = (grey - GREY_MEAN) / GREY_STD
        pooled = self.features(normalised).mean(dim=(2, 3))
        logits: Tensor = self.classifier(self.dropout(pooled))
        return logits

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
                nn.init.zeros_(module.bias)
        # Each residual branch starts as nothing, so the network starts shallow (Goyal et al. 2017).
        for module in self.modules():
            if isinstance(module, InvertedResidual) and module.added:
                norms = [part for part in module.branch.modules() if isinstance(part, nn.BatchNorm2d)]
                nn.init.zeros_(norms[-1].weight)


def make_mobilenet(variant: str) -> MobileNetEmotion:
    """Build a freshly initialised member of the family.

    Raises:
        ValueError: ``variant`` is none of ``VARIANTS``.
    """
    if variant not in VARIANTS:
        raise ValueError(f"unknown classifier variant {variant!r}: choose one of {', '.join(VARIANTS)}")
    return MobileNetEmotion(VARIANTS[variant])


def grown_mobilenet(variant: str, trained: MobileNetEmotion) -> MobileNetEmotion:
    """Member of the family that begins with the logits of a smaller ``trained`` one.

    Raises:
        ValueError: ``variant`` is unknown or somewhere smaller than ``trained``.
    """
    network = make_mobilenet(variant)
    places = _places(network.spec)
    moved = {index: places.get(place) for place, index in _places(trained.spec).items()}

    def renamed(name: str) -> str:
        layer, *rest = name.split(".")
        return name if layer != "features" else ".".join((layer, str(moved[int(rest[0])]), *rest[1:]))

    grow(network, trained.state_dict(), renamed)
    return network


def _places(spec: MobileNetSpec) -> dict[tuple[int, int], int]:
    """Index among ``features`` of each block, by stage and number; the head's stage is -1."""
    blocks = [
        (stage, block) for stage in range(len(spec.stages)) for block in range(spec.stages[stage].blocks)
    ]
    layers = [(-2, 0), *blocks, (-1, 0)]
    return {place: index for index, place in enumerate(layers)}


@torch.no_grad()
def logits_of(network: nn.Module, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Logits ``(N, 9)`` of uint8 ``(N, S, S)`` images of the network's size."""
    network.eval()
    parts = []
    for start in range(0, len(images), 256):
        grey = torch.from_numpy(images[start : start + 256]).float().unsqueeze(1)
        parts.append(network(grey.contiguous(memory_format=torch.channels_last)).float().numpy())
    return np.concatenate(parts).astype(np.float32, copy=False)
