"""What a network is called: one name per architecture, variant and task, in files and manifests alike."""

from __future__ import annotations

from models.networks import mobilenet, yolo
from models.networks.mobilenet import MobileNetEmotion
from models.networks.yolo import YoloFace


def variant_of(network: YoloFace | MobileNetEmotion) -> str:
    """Key of the family's ``VARIANTS``.

    Raises:
        ValueError: The network is no member of a family.
    """
    variants = yolo.VARIANTS if isinstance(network, yolo.YoloFace) else mobilenet.VARIANTS
    for name, spec in variants.items():
        if spec == network.spec:
            return name
    raise ValueError(f"the network is none of {', '.join(variants)}: add its widths to VARIANTS")


def network_name(network: YoloFace | MobileNetEmotion) -> str:
    """What a network is called; the full width of the classifier has the family's own name."""
    variant = variant_of(network)
    if isinstance(network, yolo.YoloFace):
        return f"yolo_{'face' if network.classes == 1 else 'emotion'}_{variant}"
    return mobilenet.FAMILY if variant == "full" else f"{mobilenet.FAMILY}_{variant}"
