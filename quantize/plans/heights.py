"""Detectors by the height of the faces they find: what the gate compares, and what the manifest states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.scores import score_faces

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.inference import LoadedNetwork
    from models.scores import Photo

GATE_HEIGHTS_PX: Final = (8, 16)


def manifest_ap50(network: LoadedNetwork, photos: Iterable[Photo]) -> dict[str, float]:
    """AP50 for each least face height."""
    return {f"ap50_{height}px": value for height, value in score_faces(network, photos).items()}


def gate_ap50(network: LoadedNetwork, photos: Iterable[Photo]) -> dict[str, float]:
    """AP50 for ``GATE_HEIGHTS_PX`` alone."""
    scores = manifest_ap50(network, photos)
    return {key: scores[key] for key in (f"ap50_{height}px" for height in GATE_HEIGHTS_PX)}
