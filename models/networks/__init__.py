"""Network definitions, and the weight files that fill them."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from models.networks.mobilenet import (
        EMOTION_LABELS,
        GREY_MEAN,
        GREY_STD,
        MobileNetEmotion,
        grown_mobilenet,
        logits_of,
        make_mobilenet,
    )
    from models.networks.registry import network_name, variant_of
    from models.networks.weights import load_emotion, load_face, publish_best
    from models.networks.yolo import (
        BOX_CHANNELS,
        STRIDES,
        ConvBlock,
        RepBlock,
        YoloFace,
        grown_yolo,
        make_yolo,
        with_classes,
    )
else:
    __getattr__, __all__ = opened(__name__)
