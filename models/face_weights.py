"""Files of detector weights: half precision, with what is needed to build their network."""

from __future__ import annotations

from pickle import UnpicklingError
from typing import TYPE_CHECKING

import torch

from agent.errors import ModelError
from models.networks.weights import write_weights
from models.networks.yolo import VARIANTS, make_yolo

if TYPE_CHECKING:
    from pathlib import Path

    from models.networks.yolo import YoloFace


def publish_best(best: Path, variant: str, classes: int = 1) -> Path:
    """Turn the trainer's best averaged state into ``yolo_face_<variant>.pt`` beside it.

    With several ``classes`` the file is ``yolo_emotion_<variant>.pt``.
    """
    network = make_yolo(variant, classes)
    network.load_state_dict(torch.load(best, weights_only=True))
    path = best.with_name(f"yolo_{'face' if classes == 1 else 'emotion'}_{variant}.pt")
    save_face(network, path)
    return path


def variant_of(network: YoloFace) -> str:
    """Key of ``models.networks.yolo.VARIANTS``."""
    return next(name for name, spec in VARIANTS.items() if spec == network.spec)


def save_face(network: YoloFace, path: Path) -> None:
    """Write variant and weights, half precision, to ``path``; whole or not at all."""
    write_weights(network, path, variant=variant_of(network), classes=network.classes)


def load_face(weights: Path) -> YoloFace:
    """Network in evaluation form from a file written by :func:`save_face`.

    Raises:
        ModelError: The file is missing or holds something else.
    """
    try:
        content = torch.load(weights, weights_only=True)
        network = make_yolo(content["variant"], content["classes"])
        network.load_state_dict({name: value.float() for name, value in content["state"].items()})
    except (OSError, EOFError, RuntimeError, KeyError, TypeError, ValueError, UnpicklingError) as error:
        raise ModelError(
            f"{weights} holds no face detector: train one with python -m models train face"
        ) from error
    return network.eval()
