"""What the expression classifier is taught of each image, and how much an image counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent.domain import EMOTIONS, LABELS
from models.data import SIDE_PX, FerPlus, in_protocol, majority, read_portraits, soft_targets, square_crop

PORTRAIT_CROP_SCALE: Final = 1.0
"""Side of a portrait's crop, and of a device's, as a multiple of the face box's longer side (model card)."""
PORTRAIT_WEIGHT: Final = 0.5
"""Of a portrait in the loss: its label is one person's opinion."""
PORTRAIT_CERTAINTY: Final = 0.8
"""Share of a portrait's target on its label; the rest goes evenly to all labels."""
RARE_SHARE: Final = 0.02
RARE_REPEATS: Final = 2
"""How often an epoch shows a FER+ image of a class with less than ``RARE_SHARE`` of the images."""
CLASS_WEIGHT_LIMITS: Final = (0.5, 4.0)
"""The rarest class of FER+ has a handful of images: they must not count for a hundred each."""


@dataclass(frozen=True, slots=True)
class Faces:
    """Training images in memory, or a batch of them."""

    images: Tensor
    """``(N, 48, 48)`` uint8 grey; of a batch ``(N, 1, S, S)`` float in 0...255."""
    targets: Tensor
    """``(N, 9)`` float shares."""
    weights: Tensor
    """``(N,)`` float, of an image in the loss."""


def ferplus_faces(split: FerPlus) -> tuple[Faces, NDArray[np.int64]]:
    """The usable FER+ images, and how often an epoch shows each."""
    kept = split.select(in_protocol(split.votes, "classes9"))
    label = majority(kept.votes)
    share = np.bincount(label, minlength=len(LABELS)) / len(label)
    repeats = np.where(share[label] < RARE_SHARE, RARE_REPEATS, 1)
    faces = Faces(
        torch.from_numpy(kept.images.copy()),
        torch.from_numpy(soft_targets(kept.votes)),
        torch.ones(len(label)),
    )
    return faces, repeats.astype(np.int64)


def portrait_shares(labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """N x ``classes`` targets of portraits: ``PORTRAIT_CERTAINTY`` on the label, the rest even."""
    shares = np.full((len(labels), classes), (1.0 - PORTRAIT_CERTAINTY) / classes, np.float32)
    shares[np.arange(len(labels)), labels] += PORTRAIT_CERTAINTY
    return shares


def portrait_faces(data_dir: Path, split: Literal["train", "valid"]) -> tuple[Faces, NDArray[np.bool_]]:
    """The portraits' face crops, as small as those of FER+, and which of them are neutral or happy."""
    portraits = read_portraits(data_dir, split)
    label = np.array([portrait.label for portrait in portraits])
    crops = np.stack([square_crop(portrait, SIDE_PX, PORTRAIT_CROP_SCALE) for portrait in portraits])
    targets = portrait_shares(label, len(LABELS))
    faces = Faces(
        torch.from_numpy(crops),
        torch.from_numpy(targets),
        torch.full((len(label),), PORTRAIT_WEIGHT),
    )
    common = np.isin(label, (EMOTIONS.index("neutral"), EMOTIONS.index("happiness")))
    return faces, common


def joined(first: Faces, second: Faces) -> Faces:
    """All images of both, in order."""
    return Faces(
        torch.cat((first.images, second.images)),
        torch.cat((first.targets, second.targets)),
        torch.cat((first.weights, second.weights)),
    )


def class_weights(targets: NDArray[np.float32]) -> NDArray[np.float32]:
    """One weight N / (C N_c) per class, within limits, of ``(N, C)`` shares.

    Weighted cross-entropy as in Li et al. 2022, "YOLOv6", with the votes' shares for whole labels.
    """
    per_class = targets.sum(axis=0)
    weight = per_class.sum() / (len(per_class) * np.maximum(per_class, 1.0))
    limited: NDArray[np.float32] = np.clip(weight, *CLASS_WEIGHT_LIMITS).astype(np.float32)
    return limited


def expected_weights(targets: NDArray[np.float32]) -> NDArray[np.float32]:
    """``(N,)`` weight of each image: that of its classes by their shares."""
    expected: NDArray[np.float32] = (targets @ class_weights(targets)).astype(np.float32)
    return expected


def emphasised(faces: Faces) -> Faces:
    """Let images of rare classes count more."""
    return replace(faces, weights=faces.weights * torch.from_numpy(expected_weights(faces.targets.numpy())))
