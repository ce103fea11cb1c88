"""Every file a network is shipped as: one per backend and precision, all from one FP32 export."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.inference import LoadedNetwork
from agent.inference.bundle import Backend, NetworkContent, NetworkEntry, Precision
from quantize.backends.onnxruntime import quantize_onnx
from quantize.calibration import CalibrationSet

Score = Callable[[LoadedNetwork], Mapping[str, float]]

_ONNX_PRECISIONS: Final[tuple[Precision, ...]] = ("int8_u8s8", "int8_s8s8")
BACKENDS: Final = ("onnxruntime", "openvino", "litert")
_NEEDED: Final = {"openvino": ("openvino", "nncf"), "litert": ("ai_edge_litert", "flatbuffers")}
"""Packages without which a backend's INT8 files can't be written."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be built and how it is judged."""

    name: str
    """Manifest key; also the stem of the files."""
    entry: NetworkEntry
    """What the manifest is to say, but for the files, which are made anew."""
    fp32_path: Path
    """The exported network; ONNX Runtime and OpenVINO both read it."""
    images: CalibrationSet
    held_out: Score
    """Scores the gate compares; never on calibration images."""
    reported: Score
    """Scores that go into the manifest."""
    allowed_points: float
    backends: tuple[str, ...] = BACKENDS
    """Those to write files for; ONNX Runtime's come in any case."""
    float_share: float = 0.0
    """Of the weighted layers, from the image on, that stay in float; for ONNX Runtime only."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """One file made from a network, before it is judged."""

    backend: Backend
    precision: Precision
    path: Path

    def read(self) -> NetworkContent:
        """What it holds now.

        Raises:
            ModelError: It can't be read.
        """
        return NetworkContent.read(self.path, self.backend)

    @property
    def label(self) -> str:
        """For messages."""
        return f"{self.backend} {self.precision}"


def write_artefacts(plan: Plan, folder: Path, say: Callable[[str], None]) -> Iterator[Artefact]:
    """Write each INT8 file into ``folder`` and hand it over; FP32 itself comes first.

    Raises:
        ModelError: A graph can't be translated.
    """
    stem, fp32_path, images = plan.name, plan.fp32_path, plan.images
    yield Artefact("onnxruntime", "fp32", fp32_path)
    signed_path = fp32_path
    for precision in _ONNX_PRECISIONS:
        say(f"{stem}: quantising {precision} for onnxruntime on {len(images.inputs)} images")
        path = folder / f"{stem}.{precision}.onnx"
        quantize_onnx(fp32_path, path, precision, images, float_share=plan.float_share)
        signed_path = path if precision == "int8_s8s8" else signed_path
        yield Artefact("onnxruntime", precision, path)
    if "openvino" in plan.backends and _can_write("openvino", stem, say):
        from quantize.backends import quantize_openvino  # noqa: PLC0415 - installed only for this

        say(f"{stem}: quantising int8 for openvino on {len(images.inputs)} images")
        yield Artefact("openvino", "fp32", fp32_path)
        path = folder / f"{stem}.int8.xml"
        quantize_openvino(fp32_path, path, images)
        yield Artefact("openvino", "int8", path)
    if "litert" in plan.backends and _can_write("litert", stem, say):
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
