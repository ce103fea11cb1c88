"""The face detector at its input sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from agent.inference.manifest import InputSpec
from models.face_export import export_onnx
from models.face_weights import load_face
from models.mosaic import Composer, MosaicStyle
from models.runtime_scores import score_faces
from models.scenes import read_crowds, read_scenes
from models.yolo import STRIDES, VARIANTS
from quantize.build import Plan
from quantize.calibration import FaceCalibration
from quantize.gate import FACE_POINTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from agent.inference.loading import LoadedNetwork
    from models.photo_warp import Composition

INPUT_SIZES_PX: Final = (320, 224)
GATE_PICTURES: Final = 320
GATE_HEIGHTS_PX: Final = ("8", "16")
_SEED: Final = 7
_TRAINING_DATA: Final = (
    "Flickr8k scenes with machine-drawn face boxes",
    "muxspace/facial_expressions portraits with machine-drawn face boxes",
)


def face_plans(weights: Path, data_dir: Path, folder: Path) -> Iterator[tuple[Plan, Path]]:
    """Export the network at each input size and say how to quantise it.

    The gate looks at compositions of the valid split, many small faces; ``crowds`` is scored for the
    manifest and decides nothing.

    Raises:
        ModelError: Weights or data are missing or broken.
    """
    network = load_face(weights)
    variant = next(name for name, spec in VARIANTS.items() if spec == network.spec)
    crowds = read_crowds(data_dir)
    composer = Composer(read_scenes(data_dir, "valid"), [])
    calibration = FaceCalibration(data_dir)
    for size_px in INPUT_SIZES_PX:
        name = f"yolo_face_{variant}_{size_px}"
        fp32_path = folder / f"{name}.fp32.onnx"
        export_onnx(network, fp32_path, size_px)
        spec = InputSpec(height_px=size_px, width_px=size_px, colour="BGR")
        pictures = _gate_pictures(composer, size_px)

        def held_out(loaded: LoadedNetwork, pictures: list[Composition] = pictures) -> Mapping[str, float]:
            scores = score_faces(loaded, pictures)
            return {f"ap50_{height}px": scores[height] for height in GATE_HEIGHTS_PX}

        def reported(loaded: LoadedNetwork) -> Mapping[str, float]:
            return {f"ap50_{height}px": value for height, value in score_faces(loaded, crowds).items()}

        yield (
            Plan(
                name=name,
                entry=_entry(f"yolo_face_{variant}", spec),
                images=calibration.images(spec),
                held_out=held_out,
                reported=reported,
                allowed_points=FACE_POINTS,
            ),
            fp32_path,
        )


def _gate_pictures(composer: Composer, size_px: int) -> list[Composition]:
    generator = np.random.default_rng(_SEED)
    style = MosaicStyle(paste_probability=0.0)
    return [composer.compose(generator, size_px, style) for _ in range(GATE_PICTURES)]


def _entry(family: str, spec: InputSpec) -> dict[str, Any]:
    return {
        "family": family,
        "task": "face",
        "input": spec,
        "labels": ("face",),
        "head": "yolo_ltrb",
        "strides": STRIDES,
        "licence": "Apache-2.0",
        "training_data": _TRAINING_DATA,
    }
