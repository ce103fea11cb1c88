"""Every file a network is shipped as: one per backend and precision, all from one FP32 export."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from quantize.backends.onnxruntime import quantize_onnx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from onnxruntime.quantization import CalibrationMethod

    from agent.inference.bundle import Backend, Precision
    from quantize.calibration import CalibrationSet

_ONNX_PRECISIONS: Final[tuple[Precision, ...]] = ("int8_u8s8", "int8_s8s8")
BACKENDS: Final = ("onnxruntime", "openvino", "litert")
_NEEDED: Final = {"openvino": ("openvino", "nncf"), "litert": ("ai_edge_litert", "flatbuffers")}
"""Packages without which a backend's INT8 files can't be written."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """One file made from a network, before it is judged."""

    backend: Backend
    precision: Precision
    path: Path

    @property
    def weights_path(self) -> Path | None:
        """The ``.bin`` beside an OpenVINO ``.xml``."""
        return self.path.with_suffix(".bin") if self.path.suffix == ".xml" else None

    @property
    def label(self) -> str:
        """For messages."""
        return f"{self.backend} {self.precision}"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How files are made."""

    method: CalibrationMethod
    """Of ONNX Runtime's calibration."""
    options: Mapping[str, Any]
    """Further ones of its quantiser."""
    float_share: float = 0.0
    """See ``quantize_onnx``; for ONNX Runtime only."""
    backends: tuple[str, ...] = BACKENDS
    """Those to write files for; ONNX Runtime's come in any case."""


def write_artefacts(
    stem: str,
    fp32_path: Path,
    folder: Path,
    images: CalibrationSet,
    recipe: Recipe,
    *,
    report: Callable[[str], None],
) -> Iterator[Artefact]:
    """Write each INT8 file and hand it over; FP32 itself comes first.

    Args:
        stem: Of the files' names.
        fp32_path: The exported network; ONNX Runtime and OpenVINO both read it.
        folder: For the INT8 files.
        images: Inputs to measure activation ranges on.
        recipe: How, and for which backends.
        report: Takes a line of progress.

    Raises:
        ModelError: A graph can't be translated.
    """
    yield Artefact("onnxruntime", "fp32", fp32_path)
    signed_path = fp32_path
    for precision in _ONNX_PRECISIONS:
        report(f"{stem}: quantising {precision} for onnxruntime on {len(images.inputs)} images")
        path = folder / f"{stem}.{precision}.onnx"
        _quantize(fp32_path, path, precision, images, recipe)
        signed_path = path if precision == "int8_s8s8" else signed_path
        yield Artefact("onnxruntime", precision, path)
    if "openvino" in recipe.backends and _can_write("openvino", stem, report):
        from quantize.backends import quantize_openvino  # noqa: PLC0415 - installed only for this

        report(f"{stem}: quantising int8 for openvino on {len(images.inputs)} images")
        yield Artefact("openvino", "fp32", fp32_path)
        path = folder / f"{stem}.int8.xml"
        quantize_openvino(fp32_path, path, images)
        yield Artefact("openvino", "int8", path)
    if "litert" in recipe.backends and _can_write("litert", stem, report):
        from quantize.backends.litert import write_litert  # noqa: PLC0415 - installed only for this

        report(f"{stem}: translating int8_s8s8 for litert")
        path = folder / f"{stem}.int8.tflite"
        write_litert(signed_path, path)
        yield Artefact("litert", "int8", path)


def _quantize(
    fp32_path: Path, int8_path: Path, precision: Precision, images: CalibrationSet, recipe: Recipe
) -> None:
    quantize_onnx(
        fp32_path,
        int8_path,
        precision,
        images,
        method=recipe.method,
        extra_options=dict(recipe.options),
        float_share=recipe.float_share,
    )


def _can_write(backend: str, stem: str, report: Callable[[str], None]) -> bool:
    missing = [name for name in _NEEDED[backend] if importlib.util.find_spec(name) is None]
    if missing:
        report(f"{stem}: no files for {backend}, as {' and '.join(missing)} is not installed")
    return not missing
