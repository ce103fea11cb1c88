"""The images on which activation ranges are measured, as the networks will see them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader

from agent.domain import Box
from agent.errors import ModelError
from agent.inference import InputImage, Letterbox, crop_face
from agent.inference.bundle import InputSpec
from models.augment import Composer, MosaicStyle
from models.data import in_protocol, read_close_ups, read_ferplus, read_portraits, read_scenes

SEED: Final = 20_260_101
FACE_IMAGES: Final = 320
"""Half whole scenes, half compositions with many small faces."""
EMOTION_IMAGES: Final = 1_024
"""Three quarters FER+ faces, one quarter portraits."""


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationSet:
    """Network inputs, and the digest that ties a quantised file to them."""

    inputs: NDArray[Any]
    """N × the network's input shape without its batch axis."""
    sha256: str


class FaceCalibration:
    """Train-split scenes and compositions of them, letterboxed as frames are."""

    def __init__(self, data_dir: Path) -> None:
        """Read the photos, once for all input sizes.

        Raises:
            ModelError: The data are missing or broken.
        """
        self._scenes = read_scenes(data_dir, "train")
        self._composer = Composer(self._scenes, read_close_ups(data_dir))

    def images(self, spec: InputSpec, count: int = FACE_IMAGES) -> CalibrationSet:
        """The same images on every run."""
        generator = np.random.default_rng(SEED)
        chosen = generator.permutation(len(self._scenes))[: count - count // 2]
        scenes = [self._scenes[index].pixels for index in chosen]
        style = MosaicStyle()
        scenes += [self._composer.compose(generator, spec.height_px, style).pixels for _ in range(count // 2)]
        return letterboxed(scenes, spec)


def letterboxed(frames: Iterable[NDArray[np.uint8]], spec: InputSpec) -> CalibrationSet:
    """Bring frames into a detector's input format.

    Raises:
        ModelError: There is no frame.
    """
    buffer = np.zeros(spec.shape, spec.dtype)
    return _sealed(buffer, map(Letterbox(spec, buffer).fill, frames))


def emotion_calibration(
    data_dir: Path, spec: InputSpec, crop_scale: float, count: int = EMOTION_IMAGES
) -> CalibrationSet:
    """Train-split FER+ faces and portraits, cropped as tracked faces are.

    Raises:
        ModelError: The data are missing or hold no image.
    """
    generator = np.random.default_rng(SEED)
    ferplus = read_ferplus(data_dir, "train")
    images = ferplus.images[in_protocol(ferplus.votes, "classes9")]
    portraits = read_portraits(data_dir, "train")
    from_portraits = count // 4
    faces = [
        (image, _cropped_whole(image, crop_scale))
        for image in images[generator.permutation(len(images))[: count - from_portraits]]
    ]
    chosen = [portraits[index] for index in generator.permutation(len(portraits))[:from_portraits]]
    faces += [(portrait.grey, portrait.face) for portrait in chosen]
    return cropped(faces, spec, crop_scale)


def _cropped_whole(image: NDArray[np.uint8], crop_scale: float) -> Box:
    """The box in the middle whose scaled crop is the whole image."""
    width, height = image.shape[1] / crop_scale, image.shape[0] / crop_scale
    across, down = (image.shape[1] - width) / 2.0, (image.shape[0] - height) / 2.0
    return Box(across, down, across + width, down + height)


def cropped(
    faces: Sequence[tuple[NDArray[np.uint8], Box]], spec: InputSpec, crop_scale: float
) -> CalibrationSet:
    """Bring faces in pictures (H×W grey) into a classifier's input format.

    Raises:
        ModelError: There is no face.
    """
    buffer = np.zeros(spec.shape, spec.dtype)
    image = InputImage(spec, buffer)

    def fill(pixels: NDArray[np.uint8], box: Box) -> None:
        crop_face(pixels, box, crop_scale, image.pixels)
        image.commit()

    return _sealed(buffer, starmap(fill, faces))


def _sealed(buffer: NDArray[Any], fills: Iterable[object]) -> CalibrationSet:
    """What ``buffer`` holds after each of ``fills``, which fill it as they are gone through."""
    inputs = [buffer[0].copy() for _ in fills]
    if not inputs:
        raise ModelError("there is no calibration image: point --data at the data folder")
    stacked = np.stack(inputs)
    return CalibrationSet(stacked, hashlib.sha256(stacked.tobytes()).hexdigest())


class CalibrationReader(CalibrationDataReader):  # type: ignore[misc] # the base class has no types
    """Feeds a calibration set to ONNX Runtime's quantiser, one image at a time."""

    def __init__(self, images: CalibrationSet, input_name: str) -> None:
        self._inputs = images.inputs
        self._input_name = input_name
        self._next, self._end = 0, len(images.inputs)

    def __len__(self) -> int:
        return len(self._inputs)

    def set_range(self, start_index: int, end_index: int) -> None:
        """Restrict the reader to a part of the set; the quantiser's way of bounding memory."""
        self._next, self._end = start_index, min(end_index, len(self._inputs))

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """One input with its batch axis, or None at the end."""
        if self._next >= self._end:
            return None
        self._next += 1
        return {self._input_name: self._inputs[self._next - 1][None]}
