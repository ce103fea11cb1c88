"""The face detector at its input sizes, and its single-stage sister that names the expression as well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from agent.domain import EMOTIONS
from agent.inference import LoadedNetwork
from agent.inference.bundle import InputSpec, NetworkEntry
from models.augment import Composer, Composition, MosaicStyle
from models.data import read_crowds, read_ferplus, read_scenes
from models.export import export_face
from models.networks import STRIDES, load_face, network_name, variant_of
from models.scores import AlignedPictures, aligned_pictures, score_aligned
from quantize.artefacts import Artefact, Plan
from quantize.build import described
from quantize.calibration import FaceCalibration
from quantize.gate import FACE_POINTS, gate_ap50, manifest_ap50

INPUT_SIZES_PX: Final = {"pico": (320, 224), "nano": (416,)}
"""Largest first, by variant: what small boxes run in time, and what larger ones see farther with."""
GATE_PICTURES: Final = 320
_SEED: Final = 7
_TRAINING_DATA: Final = (
    "Flickr8k scenes with machine-drawn face boxes",
    "muxspace/facial_expressions portraits with machine-drawn face boxes",
    "FER+ train faces as close-ups",
)
_EXPRESSION_DATA: Final = (
    "FER+ train votes",
    "labels of muxspace/facial_expressions",
    "our classifier's estimates on the faces of the scenes",
)


def face_plans(weights: Path, data_dir: Path, folder: Path, *, largest_only: bool = False) -> Iterator[Plan]:
    """Export the network at its input sizes, or the largest, and say how to quantise it.

    The gate looks at compositions of the valid split, many small faces, and with a single-stage network at
    aligned FER+ valid faces as well; what is reported, ``crowds`` and FER+ test, decides nothing.

    Raises:
        ModelError: Weights or data are missing or broken.
    """
    network = load_face(weights)
    named = network.classes > 1
    family = network_name(network)
    crowds = read_crowds(data_dir)
    composer = Composer(read_scenes(data_dir, "valid"), [])
    calibration = FaceCalibration(data_dir)
    valid = aligned_pictures(read_ferplus(data_dir, "valid")) if named else None
    test = aligned_pictures(read_ferplus(data_dir, "test")) if named else None
    sizes_px = INPUT_SIZES_PX[variant_of(network)]
    for size_px in sizes_px[:1] if largest_only else sizes_px:
        name = f"{family}_{size_px}"
        exported = Artefact("onnxruntime", "fp32", folder / f"{name}.fp32.onnx")
        export_face(network, exported.path, size_px)
        entry = _entry(name, family, size_px, exported, named=named)
        pictures = _gate_pictures(composer, size_px)

        def held_out(loaded: LoadedNetwork, pictures: list[Composition] = pictures) -> Mapping[str, float]:
            return {**gate_ap50(loaded, pictures), **_expression(loaded, valid)}

        def reported(loaded: LoadedNetwork) -> Mapping[str, float]:
            return {**manifest_ap50(loaded, crowds), **_expression(loaded, test)}

        yield Plan(
            name=name,
            entry=entry,
            fp32_path=exported.path,
            images=calibration.images(entry.input),
            held_out=held_out,
            reported=reported,
            allowed_points=FACE_POINTS,
        )


def _expression(loaded: LoadedNetwork, aligned: AlignedPictures | None) -> Mapping[str, float]:
    return {} if aligned is None else {"aligned_expression": score_aligned(loaded, aligned)}


def _gate_pictures(composer: Composer, size_px: int) -> list[Composition]:
    generator = np.random.default_rng(_SEED)
    style = MosaicStyle(paste_probability=0.0)
    return [composer.compose(generator, size_px, style) for _ in range(GATE_PICTURES)]


def _entry(name: str, family: str, size_px: int, exported: Artefact, *, named: bool) -> NetworkEntry:
    return NetworkEntry(
        family=family,
        task="face_emotion" if named else "face",
        input=InputSpec(height_px=size_px, width_px=size_px, colour="BGR"),
        labels=EMOTIONS if named else ("face",),
        head="yolo_ltrb",
        strides=STRIDES,
        licence="Apache-2.0",
        training_data=(*_TRAINING_DATA, *(_EXPRESSION_DATA if named else ())),
        files=(described(name, exported, exported.read()),),
    )
