"""Every file a network is shipped as: one per backend and precision, all from one FP32 export."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from quantize.backends.onnxruntime import quantize_onnx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

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


def write_artefacts(
    stem: str,
    fp32_path: Path,
    folder: Path,
    images: CalibrationSet,
    *,
    backends: tuple[str, ...],
    float_share: float,
    say: Callable[[str], None],
) -> Iterator[Artefact]:
    """Write each INT8 file and hand it over; FP32 itself comes first.

    Args:
        stem: Of the files' names.
        fp32_path: The exported network; ONNX Runtime and OpenVINO both read it.
        folder: For the INT8 files.
        images: Inputs to measure activation ranges on.
        backends: Those to write files for; ONNX Runtime's come in any case.
        float_share: See ``quantize_onnx``; for ONNX Runtime only.
        say: Takes a line of progress.

    Raises:
        ModelError: A graph can't be translated.
    """
    yield Artefact("onnxruntime", "fp32", fp32_path)
    signed_path = fp32_path
    for precision in _ONNX_PRECISIONS:
        say(f"{stem}: quantising {precision} for onnxruntime on {len(images.inputs)} images")
        path = folder / f"{stem}.{precision}.onnx"
        quantize_onnx(fp32_path, path, precision, images, float_share=float_share)
        signed_path = path if precision == "int8_s8s8" else signed_path
        yield Artefact("onnxruntime", precision, path)
    if "openvino" in backends and _can_write("openvino", stem, say):
        from quantize.backends import quantize_openvino  # noqa: PLC0415 - installed only for this

        say(f"{stem}: quantising int8 for openvino on {len(images.inputs)} images")
        yield Artefact("openvino", "fp32", fp32_path)
        path = folder / f"{stem}.int8.xml"
        quantize_openvino(fp32_path, path, images)
        yield Artefact("openvino", "int8", path)
    if "litert" in backends and _can_write("litert", stem, say):
        from quantize.backends.litert import write_litert  # noqa: PLC0415 - installed only for this

        say(f"{stem}: translating int8_s8s8 for litert")
        path = folder / f"{stem}.int8.tflite"
        write_litert(signed_path, path)
        yield Artefact("litert", "int8", path)


def _can_write(backend: str, stem: str, say: Callable[[str], None]) -> bool:
    missing = [name for name in _NEEDED[backend] if importlib.util.find_spec(name) is None]
    if missing:
        say(f"{stem}: no files for {backend}, as {' and '.join(missing)} is not installed")
    return not missing
