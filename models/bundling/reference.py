"""Makes a bundle's reference tensors: what its FP32 networks answer to one public-domain face."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.errors import ModelError
from agent.inference.backends import open_network
from agent.inference.bundle import (
    PICTURE,
    Bundle,
    NetworkContent,
    NetworkEntry,
    NetworkFile,
    answer_key,
    default_bundle_folder,
    load_reference,
    reference_input,
)

REFERENCE: Final = "reference.npz"
SIDE_PX: Final = 160
"""Of the square picture; the head then is some 80 px high, a size that every detector tier sees."""
_SCENE: Final = (slice(0, 300), slice(75, 375))
"""Rows and columns of the astronaut's head and shoulders."""


def reference_content(
    networks: Mapping[str, NetworkEntry], content_of: Callable[[NetworkFile], NetworkContent]
) -> bytes:
    """The file's bytes, for a bundle that will have ``networks``, by manifest key.

    Raises:
        ModelError: A network has no FP32 file for ONNX Runtime, or can't be run.
    """
    picture = reference_picture()
    arrays: dict[str, NDArray[np.generic]] = {PICTURE: picture}
    for name, entry in networks.items():
        file = entry.file_for("onnxruntime", "fp32")
        if file is None:
            raise ModelError(
                f"network {name!r} has no FP32 file for ONNX Runtime to take reference answers from"
            )
        network = open_network(content_of(file), entry, threads=1)
        network.input_buffer[...] = reference_input(picture, entry.input)
        for index, answer in enumerate(network.run()):
            if not np.all(np.abs(answer) <= np.finfo(np.float16).max):
                raise ModelError(f"network {name!r} answers numbers that no box or score has: export it anew")
            # Half precision halves the file; its error is a tenth of what INT8 brings.
            arrays[answer_key(name, index)] = answer.astype(np.float16)
        network.close()
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    return content.getvalue()


def reference_picture() -> NDArray[np.uint8]:
    """``SIDE_PX`` square, BGR: head and shoulders of scikit-image's ``astronaut`` (NASA, public domain).

    Raises:
        ModelError: Neither scikit-image nor a bundle that was made with it is installed.
    """
    try:
        from skimage import data  # noqa: PLC0415 - only to make a bundle
    except ImportError as error:
        installed = load_reference(Bundle.load(default_bundle_folder()))
        if installed is None:
            raise ModelError(f"no reference picture ({error}): pip install scikit-image") from error
        return installed.picture
    scene = cv2.cvtColor(np.ascontiguousarray(data.astronaut()[_SCENE]), cv2.COLOR_RGB2BGR)
    return np.asarray(cv2.resize(scene, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA), np.uint8)
