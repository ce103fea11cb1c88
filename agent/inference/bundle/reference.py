"""Reference tensors of a bundle: one small picture, and what each FP32 network answers to it.

A candidate that is fast and wrong must not win, so every backend's answer to the same picture is
compared with the one stored when the bundle was made. The picture (a face in the public domain) is
tiled or thinned to each network's input by indexing alone, which gives the same bytes everywhere.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from agent.errors import ModelError
from agent.files import read_bounded

if TYPE_CHECKING:
    from agent.inference.bundle.manifest import Bundle, InputSpec

PICTURE: Final = "picture"
MOST_REFERENCE_BYTES: Final = 64 * 2**20
"""Of the file, and of what it unpacks to; the shipped one has .2 MB."""
LEAST_AGREEMENT: Final = 0.5
"""Eight bits cost a tenth or two; a wrong layout, weight or kernel leaves nothing."""
_LUMA: Final = np.array((29, 150, 77), np.uint16)
"""Weights of blue, green, red in 256ths (ITU-R BT.601)."""


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What a bundle's networks are to answer."""

    picture: NDArray[np.uint8]
    """H×W×3 BGR."""
    answers: Mapping[str, tuple[NDArray[np.float32], ...]]
    """Raw outputs in graph order, by the network's key in the manifest."""


def load_reference(bundle: Bundle) -> Reference | None:
    """Read a bundle's reference tensors; None where it has none.

    Raises:
        ModelError: The file is missing, altered or unreadable.
    """
    entry = bundle.manifest.reference
    if entry is None:
        return None
    path = bundle.folder / entry.path
    try:
        content = read_bounded(path, MOST_REFERENCE_BYTES)
    except OSError as error:
        raise ModelError(f"can't read reference tensors {path}: {error}; install the bundle again") from error
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise ModelError(f"reference tensors {path} don't match the manifest: install the bundle again")
    try:
        arrays = _unpacked(content)
        picture = arrays.pop(PICTURE)
    except Exception as error:  # archive, compression and arrays fail each in their own way
        raise ModelError(f"reference tensors {path} are damaged ({error}): make the bundle again") from error
    answers: dict[str, tuple[NDArray[np.float32], ...]] = {}
    for network in sorted({name.rpartition(":")[0] for name in arrays}):
        keys = (answer_key(network, output) for output in range(len(arrays)))
        answers[network] = tuple(arrays[key].astype(np.float32) for key in keys if key in arrays)
    return Reference(picture, answers)


def _unpacked(content: bytes) -> dict[str, NDArray[Any]]:
    """Every array by its name."""
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        unpacked_bytes = sum(member.file_size for member in stored.zip.infolist())
        if unpacked_bytes > MOST_REFERENCE_BYTES:
            raise ValueError(f"{unpacked_bytes} bytes unpacked, {MOST_REFERENCE_BYTES} are the most")
        return {name: stored[name] for name in stored.files}


def answer_key(network: str, output: int) -> str:
    """Name under which one output of a network is stored."""
    return f"{network}:{output}"


def reference_input(picture: NDArray[np.uint8], spec: InputSpec) -> NDArray[Any]:
    """The picture as a network's input: shape and dtype of ``spec``.

    A smaller input takes every n-th pixel, a larger one repeats the picture side by side.
    """
    step = max(1, min(picture.shape[0] // spec.height_px, picture.shape[1] // spec.width_px))
    tile = picture[::step, ::step]
    repeats = (-(-spec.height_px // tile.shape[0]), -(-spec.width_px // tile.shape[1]), 1)
    pixels = np.tile(tile, repeats)[: spec.height_px, : spec.width_px]
    if spec.colour == "GREY":
        pixels = (pixels.astype(np.uint16) @ _LUMA >> 8).astype(np.uint8)[:, :, None]
    elif spec.colour == "RGB":
        pixels = pixels[:, :, ::-1]
    if spec.layout == "NCHW":
        pixels = pixels.transpose(2, 0, 1)
    if spec.dtype == "uint8":
        return np.ascontiguousarray(pixels[None])
    return np.ascontiguousarray(pixels[None], np.float32) * np.float32(spec.scale)


def agreement(answers: Sequence[NDArray[Any]], expected: Sequence[NDArray[Any]]) -> float:
    """1 for the same numbers, 0 for an answer that says nothing: 1 - error / spread, worst output.

    The spread is the root mean square of the expected values around their channel's mean, so a large
    offset common to a whole channel can't hide an error.
    """
    if [answer.shape for answer in answers] != [value.shape for value in expected]:
        return 0.0
    worst = 1.0
    for answer, value in zip(answers, expected, strict=True):
        if not np.isfinite(answer).all():
            return 0.0
        axes = tuple(range(2, value.ndim)) if value.ndim > 2 else None  # noqa: PLR2004 - spatial axes
        spread = np.sqrt(np.mean((value - value.mean(axis=axes, keepdims=True)) ** 2))
        error = np.sqrt(np.mean((answer - value) ** 2))
        worst = min(worst, 1.0 - float(error / max(spread, np.finfo(np.float32).tiny)))
    return max(0.0, worst)
