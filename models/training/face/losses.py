"""Losses of the face detector: box overlap and overlap-aware score."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_TINY = 1e-7


def paired_iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of broadcast boxes (... x 4 left, top, right, bottom), in 0..1."""
    shared, joined, _ = _areas(first, second)
    return shared / joined


def giou_loss(predicted: Tensor, true: Tensor) -> Tensor:
    """1 - generalised IoU of N pairs (Rezatofighi et al. 2019): N float in 0..2."""
    shared, joined, hull = _areas(predicted, true)
    return 1.0 - shared / joined + (hull - joined) / hull


def _areas(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Areas of the intersection, the union and the hull of broadcast boxes."""
    low = torch.maximum(first[..., :2], second[..., :2])
    high = torch.minimum(first[..., 2:], second[..., 2:])
    shared = (high - low).clamp_min(0).prod(-1)
    joined = _area(first) + _area(second) - shared
    hull_low = torch.minimum(first[..., :2], second[..., :2])
    hull_high = torch.maximum(first[..., 2:], second[..., 2:])
    hull = (hull_high - hull_low).clamp_min(0).prod(-1)
    return shared, joined.clamp_min(_TINY), hull.clamp_min(_TINY)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp_min(0).prod(-1)


def varifocal_loss(logits: Tensor, targets: Tensor, *, alpha: float = 0.75, gamma: float = 2.0) -> Tensor:
    """Cross-entropy to an overlap-aware target, easy background damped (Zhang et al. 2021, VarifocalNet).

    Args:
        logits: N float.
        targets: N float in 0..1; above 0 means face, weighted by the target itself.
        alpha: Weight of background.
        gamma: How strongly easy background is damped.

    Returns:
        N float, not reduced.
    """
    with torch.no_grad():
        weights = torch.where(targets > 0, targets, alpha * torch.sigmoid(logits) ** gamma)
    return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none") * weights
