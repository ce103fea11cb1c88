"""Files of trained weights: half precision, with what is needed to build their network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import NotRequired, TypedDict, TypeVar

import torch
from torch import Tensor

from agent.errors import ModelError
from models.networks.mobilenet import MobileNetEmotion, make_mobilenet
from models.networks.registry import network_name, variant_of
from models.networks.yolo import YoloFace, make_yolo
from models.whole import written_whole

Family = TypeVar("Family", YoloFace, MobileNetEmotion)


class Weights(TypedDict):
    """What a file holds."""

    variant: str
    classes: NotRequired[int]
    """Of a detector."""
    state: dict[str, Tensor]


def save_weights(network: YoloFace | MobileNetEmotion, path: Path) -> None:
    """Write a network to ``path``, whole or not at all."""
    state = {
        name: value.half() if value.dtype.is_floating_point else value
        for name, value in network.state_dict().items()
    }
    content: Weights = {"variant": variant_of(network), "state": state}
    if isinstance(network, YoloFace):
        content["classes"] = network.classes
    with written_whole(path) as partial:
        torch.save(content, partial)


def load_face(weights: Path) -> YoloFace:
    """Detector in evaluation form from a file written by :func:`save_weights`.

    Raises:
        ModelError: The file is missing or holds something else.
    """
    return _loaded(
        weights,
        lambda content: make_yolo(content["variant"], content["classes"]),
        "face detector: train one with python -m models train face",
    )


def load_emotion(weights: Path) -> MobileNetEmotion:
    """Classifier in evaluation form from a file written by :func:`save_weights`.

    Raises:
        ModelError: The file is missing or holds something else.
    """
    return _loaded(
        weights,
        lambda content: make_mobilenet(content["variant"]),
        "expression network: train one with python -m models train emotion",
    )


def publish_best(best: Path, network: YoloFace | MobileNetEmotion) -> Path:
    """Turn the trainer's best averaged state of ``network`` into a file of its name beside it."""
    network.load_state_dict(torch.load(best, weights_only=True))
    path = best.with_name(f"{network_name(network)}.pt")
    save_weights(network, path)
    return path


def _loaded(weights: Path, build: Callable[[Weights], Family], wanted: str) -> Family:
    try:
        content: Weights = torch.load(weights, weights_only=True, map_location="cpu")
        network = build(content)
        network.load_state_dict({name: value.float() for name, value in content["state"].items()})
    except (OSError, EOFError, RuntimeError, KeyError, TypeError, ValueError, UnpicklingError) as error:
        raise ModelError(f"{weights} holds no {wanted}") from error
    network.eval()
    return network
