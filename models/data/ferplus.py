"""FER+ (Barsoum et al. 2016): ten taggers' votes on each 48x48 grey face, and what is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from agent.domain import LABELS, Box
from agent.errors import ModelError
from agent.inference import crop_face

VOTE_NAMES: Final = (*LABELS, "not_a_face")
"""Columns of ``votes``."""

UNKNOWN_INDEX: Final = LABELS.index("unknown")
NOT_A_FACE_INDEX: Final = VOTE_NAMES.index("not_a_face")

SIDE_PX: Final = 48
"""Of the square images."""

Split = Literal["train", "valid", "test"]
Protocol = Literal["classes8", "classes9", "agreed8"]


@dataclass(frozen=True, slots=True)
class FerPlus:
    """One split."""

    images: NDArray[np.uint8]
    """``(N, 48, 48)`` grey."""
    votes: NDArray[np.uint8]
    """``(N, 10)`` in the order of :data:`VOTE_NAMES`."""

    def select(self, keep: NDArray[np.bool_] | NDArray[np.intp]) -> FerPlus:
        """The images where ``keep`` is true, or those of its indices."""
        return FerPlus(self.images[keep], self.votes[keep])


def read_ferplus(data_dir: Path, split: Split) -> FerPlus:
    """Read ``ferplus_<split>.npz``.

    Raises:
        ModelError: The file is missing or its arrays have other shapes.
    """
    path = data_dir / f"ferplus_{split}.npz"
    try:
        with np.load(path) as arrays:
            images, votes = arrays["images"], arrays["votes"]
    except (OSError, KeyError, ValueError) as error:
        raise ModelError(f"can't read {path}: {error}; pass the folder that holds the FER+ files") from error
    if images.shape[1:] != (SIDE_PX, SIDE_PX) or votes.shape != (len(images), len(VOTE_NAMES)):
        raise ModelError(
            f"{path} has images {images.shape} and votes {votes.shape} where (N, 48, 48) and (N, 10) belong;"
            " make it again",
        )
    return FerPlus(images.astype(np.uint8, copy=False), votes.astype(np.uint8, copy=False))


def resized(images: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """``(N, side_px, side_px)`` of ``(N, S, S)`` images, interpolated as a device does it."""
    own_px = images.shape[-1]
    if own_px == side_px:
        return images
    whole = Box(0, 0, own_px, own_px)
    sized = np.empty((len(images), side_px, side_px), np.uint8)
    for image, out in zip(images, sized, strict=True):
        crop_face(image, whole, 1.0, out)
    return sized


def majority(votes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Index of the most voted column of each row; the first of equals, as in the published protocol."""
    label: NDArray[np.int64] = votes.argmax(axis=1).astype(np.int64)
    return label


def in_protocol(votes: NDArray[np.uint8], protocol: Protocol) -> NDArray[np.bool_]:
    """Rows that count: never a not-a-face majority, and in eight classes no unknown one either.

    ``agreed8`` leaves out faces whose label has no more than half of the votes, single ones not counted: so
    the authors of FER+ tested (Barsoum et al. 2016; the "majority" mode of their code).
    """
    label = majority(votes)
    keep: NDArray[np.bool_] = label != NOT_A_FACE_INDEX
    if protocol != "classes9":
        keep &= label != UNKNOWN_INDEX
    if protocol == "agreed8":
        counted = _without_slips(votes).astype(np.int64)
        keep &= 2 * counted.max(axis=1) > counted.sum(axis=1)
    return keep


def _without_slips(votes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A single vote is taken for a slip (Barsoum et al. 2016, section 3)."""
    return np.where(votes > 1, votes, np.uint8(0))


def soft_targets(votes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Shares ``(N, 9)`` of the votes per label, for rows of the ``classes9`` protocol.

    A single vote is taken for a slip and dropped (Barsoum et al. 2016, section 3), and so are votes for
    not-a-face, unless nothing else is left.
    """
    counted = votes[:, :NOT_A_FACE_INDEX].astype(np.float32)
    kept = _without_slips(votes[:, :NOT_A_FACE_INDEX]).astype(np.float32)
    kept = np.where(kept.sum(axis=1, keepdims=True) > 0.0, kept, counted)
    total = kept.sum(axis=1, keepdims=True)
    shares: NDArray[np.float32] = (kept / np.maximum(total, 1.0)).astype(np.float32)
    return shares
