"""Changes that a face may undergo without its expression changing, on whole batches of grey images."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Strengths. Framing varies as much as a detector's boxes and a head's tilt do."""

    rotation_deg: float = 14.0
    """Largest turn to either side."""
    scale: tuple[float, float] = (0.88, 1.18)
    """Magnification, drawn evenly on a logarithmic axis."""
    stretch: float = 0.05
    """Largest relative change of one axis against the other."""
    shift: float = 0.06
    """Largest move along each axis, as a share of the side."""
    shear: float = 0.06
    contrast: tuple[float, float] = (0.8, 1.25)
    brightness: float = 15.0
    """Largest offset in grey levels."""
    gamma: tuple[float, float] = (0.85, 1.18)
    noise: float = 5.0
    """Largest standard deviation in grey levels."""
    noise_probability: float = 0.15
    blur_probability: float = 0.08
    """Of an image being brought down to ``blur_px`` and up again."""
    blur_px: tuple[int, int] = (22, 38)
    erase_probability: float = 0.3
    erase_side: tuple[float, float] = (0.15, 0.35)
    """Sides of the blanked rectangle as a share of the image's (Zhong et al. 2020)."""
    mix_probability: float = 0.45
    """Of a batch being blended with itself in another order (Zhang et al. 2018)."""
    mix_alpha: float = 0.3


def augment(images: Tensor, side_px: int, strength: Augmentation, generator: np.random.Generator) -> Tensor:
    """Float ``(N, 1, side_px, side_px)`` in 0...255 from uint8 ``(N, S, S)``."""
    grey = images.unsqueeze(1).float()
    grey = _warped(grey, side_px, strength, generator)
    grey = _coarsened(grey, strength, generator)
    grey = _relit(grey, strength, generator)
    grey = _noised(grey, strength, generator)
    return _erased(grey, strength, generator)


def mix(
    images: Tensor,
    targets: Tensor,
    weights: Tensor,
    strength: Augmentation,
    generator: np.random.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Blend each image, target and weight with another one's by one share for the batch."""
    share = float(generator.beta(strength.mix_alpha, strength.mix_alpha))
    other = torch.from_numpy(generator.permutation(len(images)))
    return (
        images.lerp(images[other], 1.0 - share),
        targets.lerp(targets[other], 1.0 - share),
        weights.lerp(weights[other], 1.0 - share),
    )


def _uniform(generator: np.random.Generator, low: float, high: float, count: int) -> NDArray[np.float32]:
    return generator.uniform(low, high, count).astype(np.float32)


def _log_uniform(
    generator: np.random.Generator,
    limits: tuple[float, float],
    count: int,
) -> NDArray[np.float32]:
    return np.exp(_uniform(generator, math.log(limits[0]), math.log(limits[1]), count))


def _warped(grey: Tensor, side_px: int, strength: Augmentation, generator: np.random.Generator) -> Tensor:
    """Mirror, turn, scale, stretch, shear and move; the border is repeated outside."""
    count = len(grey)
    angle = np.radians(_uniform(generator, -strength.rotation_deg, strength.rotation_deg, count))
    zoom = _log_uniform(generator, strength.scale, count)
    stretch = _log_uniform(generator, (1.0 - strength.stretch, 1.0 + strength.stretch), count)
    shear = _uniform(generator, -strength.shear, strength.shear, count)
    mirror = generator.choice(np.array((-1.0, 1.0), np.float32), count)
    # The matrix maps output to input coordinates (both -1...1), hence the inverse magnification.
    across, down = 1.0 / (zoom * stretch), stretch / zoom
    theta = np.zeros((count, 2, 3), np.float32)
    theta[:, 0, 0] = mirror * np.cos(angle) * across
    theta[:, 0, 1] = (shear - np.sin(angle)) * down
    theta[:, 1, 0] = mirror * np.sin(angle) * across
    theta[:, 1, 1] = np.cos(angle) * down
    theta[:, :, 2] = generator.uniform(-2.0 * strength.shift, 2.0 * strength.shift, (count, 2))
    grid = functional.affine_grid(torch.from_numpy(theta), [count, 1, side_px, side_px], align_corners=False)
    return functional.grid_sample(grey, grid, padding_mode="border", align_corners=False)


def _coarsened(grey: Tensor, strength: Augmentation, generator: np.random.Generator) -> Tensor:
    """Some images lose detail, as a face does that was small in the frame."""
    chosen = np.flatnonzero(generator.random(len(grey)) < strength.blur_probability)
    if chosen.size == 0:
        return grey
    rows = torch.from_numpy(chosen)
    side = int(generator.integers(*strength.blur_px, endpoint=True))
    small = functional.interpolate(grey[rows], size=(side, side), mode="area")
    grey[rows] = functional.interpolate(small, size=grey.shape[-2:], mode="bilinear", align_corners=False)
    return grey


def _relit(grey: Tensor, strength: Augmentation, generator: np.random.Generator) -> Tensor:
    """Gamma, then contrast about the image's own mean, then an offset."""
    count = len(grey)

    def column(values: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(values).view(-1, 1, 1, 1)

    gamma = column(_log_uniform(generator, strength.gamma, count))
    contrast = column(_log_uniform(generator, strength.contrast, count))
    offset = column(_uniform(generator, -strength.brightness, strength.brightness, count))
    grey = (grey / 255.0).clamp_(1e-4, 1.0).pow_(gamma).mul_(255.0)
    mean = grey.mean(dim=(2, 3), keepdim=True)
    return ((grey - mean) * contrast + mean + offset).clamp_(0.0, 255.0)


def _noised(grey: Tensor, strength: Augmentation, generator: np.random.Generator) -> Tensor:
    """Sensor noise on some images."""
    chosen = np.flatnonzero(generator.random(len(grey)) < strength.noise_probability)
    deviation = _uniform(generator, 0.0, strength.noise, chosen.size).reshape(-1, 1, 1, 1)
    noise = generator.standard_normal((chosen.size, *grey.shape[1:]), dtype=np.float32) * deviation
    rows = torch.from_numpy(chosen)
    grey[rows] = (grey[rows] + torch.from_numpy(noise)).clamp_(0.0, 255.0)
    return grey


def _erased(grey: Tensor, strength: Augmentation, generator: np.random.Generator) -> Tensor:
    """Blank a rectangle of some images with one grey level each."""
    side = grey.shape[-1]
    for index in np.flatnonzero(generator.random(len(grey)) < strength.erase_probability):
        height, width = (generator.uniform(*strength.erase_side, 2) * side).astype(int)
        top, left = generator.integers(0, side - height), generator.integers(0, side - width)
        grey[index, :, top : top + height, left : left + width] = float(generator.uniform(0.0, 255.0))
    return grey
