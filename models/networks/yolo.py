"""The face detector: a small YOLO of plain 3x3 convolutions and ReLU.

    image ──► EfficientRep ──► features at strides 8, 16, 32 ──► Rep-PAN ──► one head per stride
                                                                             score | box distances

The layout is that of YOLOv6 (Li et al. 2022, "YOLOv6: A Single-Stage Object Detection Framework
for Industrial Applications", section 2.1): a RepVGG backbone and neck, an anchor-free decoupled
head. The branches of a block are joined at the kernel, before one batch normalisation (online
re-parameterisation, Hu et al. 2022; one normalisation behind the sum as in QARepVGG, Chu et al.
2022): a training step then costs one convolution instead of three, and the joined kernel has
the narrow weight range that INT8 asks for.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.growing import grow

STRIDES = (8, 16, 32)
"""Pixels of the input per cell of each output map, in output order."""
BOX_CHANNELS = 4
"""Distances left, top, right, bottom in strides, behind one logit per class."""


@dataclass(frozen=True, slots=True)
class YoloSpec:
    """Widths and depths that make one member of the family."""

    stem_width: int
    """Channels at stride 2."""
    widths: tuple[int, int, int, int]
    """Channels at strides 4, 8, 16, 32."""
    depths: tuple[int, int, int, int]
    """Stride-1 blocks after each downsampling block of the backbone."""
    neck_width: int
    neck_depth: int
    """Blocks in each of the four fusions of the neck."""
    head_depth: int = 1
    """3x3 blocks in each of the two branches of a head."""


VARIANTS = {
    "pico": YoloSpec(16, (32, 48, 64, 96), (0, 2, 2, 1), 32, 1),
    "nano": YoloSpec(16, (32, 64, 128, 256), (0, 2, 2, 1), 64, 1),
}


class ConvBlock(nn.Module):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel_px: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_px, padding=kernel_px // 2, bias=False)
        self.norm = nn.BatchNorm2d(out_channels, eps=1e-3, momentum=0.03)

    def forward(self, x: Tensor) -> Tensor:
        """B x in x H x W to B x out x H x W."""
        return functional.relu(self.norm(self.conv(x)), inplace=True)

    def folded(self) -> nn.Sequential:
        """The same function as a biased convolution and a ReLU."""
        return _plain(self.conv.weight, self.norm, stride=1)


class RepBlock(nn.Module):
    """3x3 + 1x1 + identity branches, summed as kernels, then normalised and rectified."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.kernel3 = nn.Parameter(torch.empty(out_channels, in_channels, 3, 3))
        self.kernel1 = nn.Parameter(torch.empty(out_channels, in_channels, 1, 1))
        nn.init.kaiming_normal_(self.kernel3, mode="fan_out", nonlinearity="relu")
        nn.init.kaiming_normal_(self.kernel1, mode="fan_out", nonlinearity="relu")
        has_identity = stride == 1 and in_channels == out_channels
        self.identity = nn.Parameter(torch.ones(out_channels)) if has_identity else None
        self.norm = nn.BatchNorm2d(out_channels, eps=1e-3, momentum=0.03)

    def joined_kernel(self) -> Tensor:
        """The one out x in x 3 x 3 kernel that the branches amount to."""
        centre: Tensor = self.kernel1
        if self.identity is not None:
            centre = centre + torch.diag(self.identity)[:, :, None, None]
        return self.kernel3 + functional.pad(centre, (1, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """B x in x H x W to B x out x H/stride x W/stride."""
        x = functional.conv2d(x, self.joined_kernel(), stride=self.stride, padding=1)
        return functional.relu(self.norm(x), inplace=True)

    def folded(self) -> nn.Sequential:
        """The same function as a biased 3x3 convolution and a ReLU."""
        return _plain(self.joined_kernel(), self.norm, self.stride)


@torch.no_grad()
def _plain(kernel: Tensor, norm: nn.BatchNorm2d, stride: int) -> nn.Sequential:
    """Fold a batch normalisation in evaluation form into the kernel before it."""
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("only a normalisation with running statistics can be folded")
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    out_channels, in_channels, size, _ = kernel.shape
    conv = nn.Conv2d(in_channels, out_channels, size, stride, size // 2)
    conv.weight.copy_(kernel * scale[:, None, None, None])
    if conv.bias is not None:
        conv.bias.copy_(norm.bias - norm.running_mean * scale)
    return nn.Sequential(conv, nn.ReLU(inplace=True))


def _blocks(in_channels: int, out_channels: int, depth: int, stride: int = 1) -> nn.Sequential:
    first = RepBlock(in_channels, out_channels, stride)
    return nn.Sequential(first, *(RepBlock(out_channels, out_channels) for _ in range(depth)))


class Pooling(nn.Module):
    """Spatial pyramid of three chained max pools: a wide field of view at stride 32."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = ConvBlock(channels, channels // 2)
        self.pool = nn.MaxPool2d(5, stride=1, padding=2)
        self.expand = ConvBlock(channels // 2 * 4, channels)

    def forward(self, x: Tensor) -> Tensor:
        """B x C x H x W to the same shape."""
        levels = [self.reduce(x)]
        levels += [self.pool(levels[0])]
        levels += [self.pool(levels[1])]
        levels += [self.pool(levels[2])]
        pooled: Tensor = self.expand(torch.cat(levels, 1))
        return pooled


class EfficientRep(nn.Module):
    """Backbone: features at strides 8, 16 and 32."""

    def __init__(self, spec: YoloSpec) -> None:
        super().__init__()
        self.stem = RepBlock(3, spec.stem_width, 2)
        channels = (spec.stem_width, *spec.widths)
        self.stages = nn.ModuleList(
            _blocks(channels[i], channels[i + 1], spec.depths[i], 2) for i in range(len(spec.widths))
        )
        self.pooling = Pooling(spec.widths[-1])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """B x 3 x H x W to the maps at strides 8, 16, 32."""
        quarter = self.stages[0](self.stem(x))
        eighth = self.stages[1](quarter)
        sixteenth = self.stages[2](eighth)
        return eighth, sixteenth, self.pooling(self.stages[3](sixteenth))


class RepPan(nn.Module):
    """Neck: the coarse maps inform the fine ones, then the fine ones the coarse."""

    def __init__(self, spec: YoloSpec) -> None:
        super().__init__()
        width, depth = spec.neck_width, spec.neck_depth - 1
        self.laterals = nn.ModuleList(ConvBlock(channels, width) for channels in spec.widths[1:])
        self.up16 = _blocks(2 * width, width, depth)
        self.up8 = _blocks(2 * width, width, depth)
        self.shrink8 = RepBlock(width, width, 2)
        self.down16 = _blocks(2 * width, width, depth)
        self.shrink16 = RepBlock(width, width, 2)
        self.down32 = _blocks(2 * width, width, depth)

    def forward(self, maps: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Backbone maps at strides 8, 16, 32 to fused ones of ``neck_width`` channels."""
        fine, middle, coarse = (lateral(x) for lateral, x in zip(self.laterals, maps, strict=True))
        middle = self.up16(torch.cat((_doubled(coarse), middle), 1))
        fine = self.up8(torch.cat((_doubled(middle), fine), 1))
        middle = self.down16(torch.cat((self.shrink8(fine), middle), 1))
        coarse = self.down32(torch.cat((self.shrink16(middle), coarse), 1))
        return fine, middle, coarse


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


class Head(nn.Module):
    """Separate branches for the score and the box of every cell."""

    def __init__(self, width: int, depth: int, classes: int) -> None:
        super().__init__()
        self.score_branch = _blocks(width, width, depth - 1)
        self.box_branch = _blocks(width, width, depth - 1)
        self.score = nn.Conv2d(width, classes, 1)
        self.box = nn.Conv2d(width, BOX_CHANNELS, 1)
        nn.init.normal_(self.score.weight, std=0.01)
        nn.init.constant_(self.score.bias, -4.6)  # type: ignore[arg-type] # 1 % at the start (Lin et al. 2017)
        nn.init.normal_(self.box.weight, std=0.01)
        nn.init.constant_(self.box.bias, 1.5)  # type: ignore[arg-type] # a face three cells wide

    def forward(self, x: Tensor) -> Tensor:
        """B x C x h x w to B x (classes + 4) x h x w."""
        return torch.cat((self.score(self.score_branch(x)), self.box(self.box_branch(x))), 1)


class YoloFace(nn.Module):
    """The whole network, from a BGR image in 0..1 to raw maps."""

    def __init__(self, spec: YoloSpec, classes: int = 1) -> None:
        super().__init__()
        self.spec = spec
        self.classes = classes
        self.backbone = EfficientRep(spec)
        self.neck = RepPan(spec)
        self.heads = nn.ModuleList(Head(spec.neck_width, spec.head_depth, classes) for _ in STRIDES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Raw maps of a batch.

        Args:
            x: B x 3 x H x W float BGR in 0..1; H and W are multiples of 32.

        Returns:
            For strides 8, 16, 32: B x (classes + 4) x H/s x W/s; first a logit per class, a single face
            logit by default, then the distances left, top, right, bottom from the cell's centre in
            strides, unclamped.
        """
        fine, middle, coarse = self.neck(self.backbone(x))
        return self.heads[0](fine), self.heads[1](middle), self.heads[2](coarse)


def make_yolo(variant: str, classes: int = 1) -> YoloFace:
    """Build a freshly initialised member of the family.

    Raises:
        ValueError: ``variant`` is none of ``VARIANTS``.
    """
    if variant not in VARIANTS:
        raise ValueError(f"unknown detector variant {variant!r}: choose one of {', '.join(VARIANTS)}")
    return YoloFace(VARIANTS[variant], classes)


def grown_yolo(variant: str, trained: YoloFace) -> YoloFace:
    """Member of the family, as deep as ``trained`` and wider, that begins with the maps of ``trained``.

    Raises:
        ValueError: ``variant`` is unknown, of other depths or somewhere narrower than ``trained``.
    """
    network = make_yolo(variant, trained.classes)
    grow(network, trained.state_dict(), parts=_concatenated)
    return network


def _concatenated(name: str) -> int:
    """How many maps the inputs of a layer are made of."""
    if name.startswith("backbone.pooling.expand."):
        return 4
    fusions = ("neck.up16.0.", "neck.up8.0.", "neck.down16.0.", "neck.down32.0.")
    return 2 if name.startswith(fusions) else 1


@torch.no_grad()
def with_classes(face: YoloFace, classes: int) -> YoloFace:
    """Copy of a face detector in which each of ``classes`` scores starts as its face score."""
    network = YoloFace(face.spec, classes)
    state = dict(face.state_dict())
    for name, value in state.items():
        if ".score." in name:
            state[name] = value.repeat_interleave(classes, 0) if len(value) == 1 else value
    network.load_state_dict(state)
    return network
