"""The face detector at its input sizes, and its single-stage sister that names the expression as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from agent.domain import EMOTIONS
from agent.inference.bundle import InputSpec
from models.augment import Composer, MosaicStyle
from models.data import read_crowds, read_ferplus, read_scenes
from models.export import export_face
from models.networks import STRIDES, load_face, network_name, variant_of
from models.scores import aligned_pictures, score_aligned, score_faces
from quantize.build import Plan
from quantize.calibration import FaceCalibration
from quantize.gate import FACE_POINTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from agent.inference import LoadedNetwork
    from models.augment import Composition

INPUT_SIZES_PX: Final = {"pico": (320, 224), "nano": (416,)}
"""Largest first, by variant: what small boxes run in time, and what larger ones see farther with."""
GATE_PICTURES: Final = 320
GATE_HEIGHTS_PX: Final = ("8", "16")
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


def face_plans(
    weights: Path, data_dir: Path, folder: Path, *, largest_only: bool = False
) -> Iterator[tuple[Plan, Path]]:
    """Export the network at its input sizes, or the largest, and say how to quantise it.

    The gate looks at compositions of the valid split, many small faces, and with a single-stage network at
    aligned FER+ valid faces as well; what is reported, ``crowds`` and FER+ test, decides nothing.

    Raises:
        ModelError: Weights or data are missing or broken.
    """
    network = load_face(weights)
    named = network.classes > 1
    crowds = read_crowds(data_dir)
    composer = Composer(read_scenes(data_dir, "valid"), [])
    calibration = FaceCalibration(data_dir)
    sizes_px = INPUT_SIZES_PX[variant_of(network)]
    for size_px in sizes_px[:1] if largest_only else sizes_px:
        name = f"{network_name(network)}_{size_px}"
        fp32_path = folder / f"{name}.fp32.onnx"
        export_face(network, fp32_path, size_px)
        spec = InputSpec(height_px=size_px, width_px=size_px, colour="BGR")
        pictures = _gate_pictures(composer, size_px)

        def held_out(loaded: LoadedNetwork, pictures: list[Composition] = pictures) -> Mapping[str, float]:
            scores = score_faces(loaded, pictures)
            kept = {f"ap50_{height}px": scores[height] for height in GATE_HEIGHTS_PX}
            return {**kept, **(_expression(loaded, data_dir, "valid") if named else {})}

        def reported(loaded: LoadedNetwork) -> Mapping[str, float]:
            scores = {f"ap50_{height}px": value for height, value in score_faces(loaded, crowds).items()}
            return {**scores, **(_expression(loaded, data_dir, "test") if named else {})}

        yield (
            Plan(
                name=name,
                entry=_entry(network_name(network), spec, named=named),
                images=calibration.images(spec),
                held_out=held_out,
                reported=reported,
                allowed_points=FACE_POINTS,
            ),
            fp32_path,
        )


def _expression(
    loaded: LoadedNetwork, data_dir: Path, split: Literal["valid", "test"]
) -> Mapping[str, float]:
    pictures, truth = aligned_pictures(read_ferplus(data_dir, split))
    return {"aligned_expression": score_aligned(loaded, pictures, truth)}


def _gate_pictures(composer: Composer, size_px: int) -> list[Composition]:
    generator = np.random.default_rng(_SEED)
    style = MosaicStyle(paste_probability=0.0)
    return [composer.compose(generator, size_px, style) for _ in range(GATE_PICTURES)]


def _entry(family: str, spec: InputSpec, *, named: bool) -> dict[str, Any]:
    return {
        "family": family,
        "task": "face_emotion" if named else "face",
        "input": spec,
        "labels": EMOTIONS if named else ("face",),
        "head": "yolo_ltrb",
        "strides": STRIDES,
        "licence": "Apache-2.0",
        "training_data": (*_TRAINING_DATA, *(_EXPRESSION_DATA if named else ())),
    }
