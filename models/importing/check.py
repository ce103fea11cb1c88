"""Looks at one picture through the agent's own code, to see whether an imported network was understood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.detector import Detector
from agent.domain import EMOTIONS, Box, Face
from agent.errors import ConfigError, ModelError
from agent.frame import Frame
from agent.inference import LoadedNetwork
from agent.inference.backends import open_network
from agent.inference.bundle import (
    Bundle,
    InputSpec,
    NetworkContent,
    NetworkEntry,
    default_bundle_folder,
    load_reference,
)
from agent.inference.heads import find_layout
from agent.settings import DetectorSettings
from models.scores import OVERLAP

UNIT_SCALE: Final = 1.0 / 255.0
"""Brings bytes to 0…1."""
_MARGIN: Final = 0.01
"""By which a probability may leave 0…1 through rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What is looked at."""

    name: str
    pixels: NDArray[np.uint8]
    """H×W×3 BGR."""
    face: Box | None = None
    """Where its only face is, if that is known."""


def read_picture(path: Path | None) -> Picture:
    """The user's picture, else a built-in one with one face.

    Raises:
        ConfigError: The file is no picture, or there is no built-in one.
    """
    if path is None:
        return _built_in()
    pixels: Any = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise ConfigError(f"--image {path} is missing or no picture: name a .jpg or .png file")
    return Picture(str(path), np.asarray(pixels, np.uint8))


def _built_in() -> Picture:
    """The astronaut of scikit-image (NASA, public domain): whole, else what a bundle has of her."""
    try:
        from skimage import data  # noqa: PLC0415 - comes with extras only
    except ImportError:
        reference = load_reference(Bundle.load(default_bundle_folder()))
        if reference is None:
            raise ConfigError("there is no built-in picture here: name one with --image") from None
        return Picture("the picture of the installed bundle", reference.picture, Box(56, 32, 104, 93))
    pixels = np.ascontiguousarray(data.astronaut()[:, :, ::-1])
    return Picture("the built-in portrait", pixels, Box(180, 60, 270, 175))


def look(content: NetworkContent, entry: NetworkEntry, picture: Picture, say: Callable[[str], None]) -> None:
    """Say what the agent would see with its default settings.

    Raises:
        ModelError: The network's answers can't be what its head says, or it misses the face of the picture as
            the entry reads pixels but finds it when they are read otherwise.
    """
    faces = _faces(content, entry, picture)
    if faces:
        misplaced = picture.face is not None and not _on_face(faces, picture.face)
        say(("warning: " if misplaced else "") + describe(faces, picture))
        if misplaced:
            say("warning: none of them is where the face is: is this a face detector, and the head right?")
        return
    say(f"warning: nothing found in {picture.name}: check with --image on a picture that shows faces")
    for spec in _other_specs(entry.input):
        seen = _faces(content, entry.model_copy(update={"input": spec}), picture)
        if seen and picture.face is not None and _on_face(seen[:1], picture.face):
            raise ModelError(
                f"the network misses the face in {picture.name} as {in_words(entry.input)}, but finds it with"
                f" score {seen[0].score:.2f} as {in_words(spec)}: pass {_options(spec)}",
            )
        if seen:
            # No proof: pixels in the wrong range make a network see anything.
            say(f"as {in_words(spec)} it would find {len(seen)}, score {seen[0].score:.2f}: {_options(spec)}")


def _on_face(faces: Sequence[Face], place: Box) -> bool:
    return any(face.box.iou(place) >= OVERLAP for face in faces)


def _faces(content: NetworkContent, entry: NetworkEntry, picture: Picture) -> list[Face]:
    with closing(open_network(content, entry, threads=1)) as network:
        detector = Detector(LoadedNetwork("imported", entry, entry.files[0], network), DetectorSettings())
        faces = detector.detect(Frame(picture.pixels, 0.0, "check", 0))
        _check_answers(entry, network.run())
    return faces


def _check_answers(entry: NetworkEntry, outputs: Sequence[NDArray[Any]]) -> None:
    """Whether the class channels hold logits or probabilities, as the head wants them."""
    layout = find_layout(entry, [output.shape for output in outputs])
    low, high = 0.0, 0.0
    for output in outputs:
        if not np.isfinite(output).all():
            raise ModelError("the network answers what is no finite number: export it in float32")
        channels_last = output.ndim == 5 or (output.ndim == 3 and output.shape[1] > output.shape[2])  # noqa: PLR2004 - see head_layout
        depth_first = np.moveaxis(output, -1, 1) if channels_last else output
        if layout.head == "yolo_anchor_maps" and output.ndim == 4:  # noqa: PLR2004 - anchors side by side
            continue
        classes = depth_first[:, layout.first_class : layout.first_class + layout.class_count]
        low, high = min(low, float(classes.min())), max(high, float(classes.max()))
    are_probabilities = low >= -_MARGIN and high <= 1.0 + _MARGIN
    if layout.head in {"yolo_fused", "yolo_anchor"} and not are_probabilities:
        raise ModelError(
            f"the class channels of head {layout.head} hold {low:.1f} to {high:.1f} where probabilities are"
            " needed: export the finished output, or the raw maps before it",
        )
    if layout.head in {"yolo_ltrb", "yolo_dfl"} and are_probabilities:
        raise ModelError(
            f"the class channels of head {layout.head} hold {low:.2f} to {high:.2f}, which are probabilities"
            " already: export the maps before the sigmoid",
        )


def _other_specs(spec: InputSpec) -> list[InputSpec]:
    colours = ("GREY",) if spec.colour == "GREY" else ("RGB", "BGR")
    scales = (UNIT_SCALE, 1.0) if spec.dtype == "float32" else (1.0,)
    readings = [
        spec.model_copy(update={"colour": colour, "scale": scale})
        for colour, scale in product(colours, scales)
    ]
    return [other for other in readings if other != spec]


def in_words(spec: InputSpec) -> str:
    """Colour order and range of an input."""
    reach = "0-255" if spec.dtype == "uint8" or spec.scale == 1.0 else "0-1"
    return f"{spec.colour} {reach}"


def _options(spec: InputSpec) -> str:
    colour, _, reach = in_words(spec).partition(" ")
    return f"--scale {reach}" if colour == "GREY" else f"--colour {colour} --scale {reach}"


def describe(faces: Sequence[Face], picture: Picture) -> str:
    """One line for people on one face or more, best first."""
    best = faces[0]
    box = best.box
    place = f"{box.width:.0f}x{box.height:.0f} px at {box.left:.0f}, {box.top:.0f}"
    expression = ""
    if best.emotion_scores is not None:
        share, label = max(zip(best.emotion_scores, EMOTIONS, strict=True))
        expression = f", {label} {share:.2f}"
    return f"{len(faces)} face(s) found in {picture.name}, best {place}, score {best.score:.2f}{expression}"
