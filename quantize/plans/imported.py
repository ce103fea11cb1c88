"""A user's imported detector, at all the input sizes it was imported with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.errors import ConfigError, ModelError
from agent.inference import LoadedNetwork
from agent.inference.bundle import Bundle, InputSpec, NetworkEntry
from agent.source.recordings import IMAGE_SUFFIXES
from models.data import read_crowds, read_scenes
from quantize.agreement import Agreement
from quantize.artefacts import Plan, Score
from quantize.backends.onnxruntime import CHUNK
from quantize.build import Built, build
from quantize.calibration import FACE_IMAGES, CalibrationSet, FaceCalibration, letterboxed
from quantize.gate import AGREEMENT_POINTS, FACE_POINTS, GateRefusalError, gate_ap50, manifest_ap50

BACKENDS: Final = ("onnxruntime",)
"""What is on every device. The LiteRT writer doesn't know the operators of others' graphs."""
CALIBRATION_BYTES: Final = 256 * 2**20
"""Most memory for calibration inputs; float32 ones of 640x640 px take five megabytes each."""
HELD_OUT_PICTURES: Final = 200
_HELD_OUT_EVERY: Final = 3
"""Of a folder's pictures, sorted by name, every third is kept for the comparison."""
FEWEST_PICTURES: Final = CHUNK * _HELD_OUT_EVERY // (_HELD_OUT_EVERY - 1)
FLOAT_SHARES: Final = (0.0, 0.125, 0.25, 0.375)
"""Of the layers, from the image on, that stay in float: the next where one loses too much.

The first layers of networks not made to be quantised have the widest ranges, and the others inherit
what they lose. Measured on the network of ``foreign_graph``: AP50 0.962, 0.964, 0.967 with the first three.
"""


def imported_plans(folder: Path, family: str, data_dir: Path, images_dir: Path | None) -> Iterator[Plan]:
    """Say how to quantise each entry of a family.

    With ``images_dir``, its pictures calibrate, and what is kept back of them judges by agreement with FP32.
    Without, the train scenes of ``data_dir`` calibrate and the valid ones judge: a face detector by AP50, one
    that tells expressions by agreement, as the scenes have no expression labels.

    Raises:
        ModelError: The bundle in ``folder`` has no such detector, or data are missing or broken.
        ConfigError: ``images_dir`` holds too few pictures.
    """
    bundle = Bundle.load(folder)
    entries = bundle.family(family)
    source = _Own(images_dir) if images_dir is not None else _Scenes(data_dir)
    for name, entry in entries.items():
        if entry.task == "emotion":
            raise ModelError(
                f"{family} in {folder} is a classifier: only imported detectors are quantised here"
            )
        held_out, reported, allowed = source.scores(entry)
        yield Plan(
            name=name,
            entry=entry,
            fp32_path=_fp32_path(bundle, name, entry),
            images=source.calibration(entry.input),
            held_out=held_out,
            reported=reported,
            allowed_points=allowed,
            backends=BACKENDS,
        )


def build_imported(plan: Plan, folder: Path, say: Callable[[str], None]) -> Built:
    """Quantise as many layers as the gate lets pass.

    Raises:
        GateRefusalError: Even with the last of ``FLOAT_SHARES`` too much is lost.
        ModelError: The network can't be quantised or judged.
    """
    for share in FLOAT_SHARES[:-1]:
        try:
            return build(replace(plan, float_share=share), folder, say)
        except GateRefusalError as refusal:
            say(f"{refusal}; trying again with more of the first layers in float")
    return build(replace(plan, float_share=FLOAT_SHARES[-1]), folder, say)


def _fp32_path(bundle: Bundle, name: str, entry: NetworkEntry) -> Path:
    file = entry.file_for("onnxruntime", "fp32")
    if file is None:
        raise ModelError(f"network {name} has no FP32 file for ONNX Runtime: import it again")
    return bundle.read(file).path


def _remembered(score: Score) -> Score:
    """The same for a file that was scored before: FP32 is met at every attempt."""
    known: dict[str, Mapping[str, float]] = {}

    def remembered(network: LoadedNetwork) -> Mapping[str, float]:
        digest = network.file.sha256
        if digest not in known:
            known[digest] = score(network)
        return known[digest]

    return remembered


def calibration_count(spec: InputSpec, available: int) -> int:
    """How many inputs fit ``CALIBRATION_BYTES``, in whole chunks of the quantiser."""
    each = int(np.prod(spec.shape)) * np.dtype(spec.dtype).itemsize
    return min(FACE_IMAGES, available, max(CHUNK, CALIBRATION_BYTES // each)) // CHUNK * CHUNK


class _Scenes:
    """The data folder."""

    def __init__(self, data_dir: Path) -> None:
        if not (data_dir / "scenes.zip").is_file():
            raise ConfigError(
                f"there are no pictures to calibrate on in {data_dir}: name a folder of your own with"
                " --images, or the data folder with --data",
            )
        self._calibration = FaceCalibration(data_dir)
        self._valid = read_scenes(data_dir, "valid")[:HELD_OUT_PICTURES]
        self._crowds = read_crowds(data_dir)

    def calibration(self, spec: InputSpec) -> CalibrationSet:
        return self._calibration.images(spec, calibration_count(spec, FACE_IMAGES))

    def scores(self, entry: NetworkEntry) -> tuple[Score, Score, float]:
        reported = _remembered(partial(manifest_ap50, photos=self._crowds))
        if entry.task == "face_emotion":
            agreement = Agreement([photo.pixels for photo in self._valid])
            return _remembered(agreement), reported, AGREEMENT_POINTS
        return _remembered(partial(gate_ap50, photos=self._valid)), reported, FACE_POINTS


class _Own:
    """A folder of the user's pictures."""

    def __init__(self, images_dir: Path) -> None:
        if not images_dir.is_dir():
            raise ConfigError(
                f"--images {images_dir} is no folder: name one with at least {FEWEST_PICTURES} pictures"
            )
        paths = sorted(path for path in images_dir.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
        if len(paths) < FEWEST_PICTURES:
            raise ConfigError(
                f"--images {images_dir} holds {len(paths)} picture(s): {FEWEST_PICTURES} or more are needed,"
                " with faces as the device will see them",
            )
        judging = paths[_HELD_OUT_EVERY - 1 :: _HELD_OUT_EVERY]
        self._judging = _Pictures(_spread(judging, HELD_OUT_PICTURES))
        self._calibrating = [path for path in paths if path not in set(judging)]

    def calibration(self, spec: InputSpec) -> CalibrationSet:
        count = calibration_count(spec, len(self._calibrating))
        return letterboxed(_Pictures(_spread(self._calibrating, count)), spec)

    def scores(self, _entry: NetworkEntry) -> tuple[Score, Score, float]:
        agreement = _remembered(Agreement(self._judging))
        return agreement, agreement, AGREEMENT_POINTS


def _spread(paths: Sequence[Path], count: int) -> list[Path]:
    """At most ``count``, evenly over the whole sequence."""
    if len(paths) <= count:
        return list(paths)
    return [paths[index * len(paths) // count] for index in range(count)]


class _Pictures:
    """Decodes files anew each time they are gone through, so that a large folder never fills the memory."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        for path in self._paths:
            pixels: Any = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if pixels is None:
                raise ConfigError(f"{path} can't be decoded: remove it from the folder")
            yield np.asarray(pixels, np.uint8)
