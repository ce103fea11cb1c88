"""One network from its FP32 file to its verified artefacts, whatever it is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from onnxruntime.quantization import CalibrationMethod

from agent.inference.loading import LoadedNetwork
from agent.inference.manifest import NetworkEntry, NetworkFile
from agent.inference.onnx_runtime import OnnxRuntimeNetwork
from quantize.bundle_writer import sha256_of
from quantize.gate import Verdict
from quantize.onnx_static import ACTIVATION_TYPES, quantize_onnx

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from quantize.calibration import CalibrationSet

    Score = Callable[[LoadedNetwork], Mapping[str, float]]
    Report = Callable[[str], None]

BACKEND: Final = "onnxruntime"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be built and how it is judged."""

    name: str
    """Manifest key; also the stem of the files."""
    entry: Mapping[str, Any]
    """Fields of the manifest entry, without its files."""
    images: CalibrationSet
    held_out: Score
    """Scores the gate compares; never on calibration images."""
    reported: Score
    """Scores that go into the manifest."""
    allowed_points: float
    method: CalibrationMethod = CalibrationMethod.MinMax
    options: Mapping[str, Any] | None = None
    """Further options of the quantiser."""


@dataclass(frozen=True, slots=True)
class Built:
    """Everything the bundle needs of one network."""

    entry: NetworkEntry
    files: Mapping[str, Path]
    """Path in the bundle → the file to copy."""
    verdicts: tuple[Verdict, ...]


def build(plan: Plan, fp32_path: Path, folder: Path, report: Report) -> Built:
    """Quantise, compare, score.

    Args:
        plan: What to build.
        fp32_path: The exported network.
        folder: For the INT8 files.
        report: Takes a line of progress.

    Raises:
        ModelError: An INT8 file loses more than the plan allows; nothing is to be written then.
    """
    paths = {"fp32": fp32_path}
    for precision in ACTIVATION_TYPES:
        report(f"{plan.name}: quantising {precision} on {len(plan.images.inputs)} images")
        paths[precision] = folder / f"{plan.name}.{precision}.onnx"
        options = dict(plan.options or {})
        quantize_onnx(
            fp32_path, paths[precision], precision, plan.images, method=plan.method, extra_options=options
        )
    held_out: dict[str, Mapping[str, float]] = {}
    files: list[NetworkFile] = []
    for precision, path in paths.items():
        network = open_network(plan, path, precision)
        held_out[precision] = plan.held_out(network)
        report(f"{plan.name}: {precision} held-out {_words(held_out[precision])}")
        scores = plan.reported(network)
        report(f"{plan.name}: {precision} {_words(scores)}")
        files.append(network.file.model_copy(update={"scores": dict(scores)}))
        network.network.close()
    verdicts = tuple(
        Verdict(f"{plan.name} {precision}", held_out["fp32"], held_out[precision], plan.allowed_points)
        for precision in ACTIVATION_TYPES
    )
    for verdict in verdicts:
        verdict.enforce()
    entry = NetworkEntry(
        **{**plan.entry, "files": tuple(files), "calibration_sha256": plan.images.sha256},
    )
    return Built(entry, {file.path: paths[file.precision] for file in files}, verdicts)


def open_network(plan: Plan, path: Path, precision: str) -> LoadedNetwork:
    """Open an artefact that is in no bundle yet, on one thread.

    Raises:
        ModelError: The file doesn't fit the plan's entry.
    """
    file = NetworkFile.model_validate(
        {
            "backend": BACKEND,
            "precision": precision,
            "path": f"{plan.name}.{precision}.onnx",
            "sha256": sha256_of(path),
        },
    )
    entry = NetworkEntry(**{**plan.entry, "files": (file,)})
    return LoadedNetwork(plan.name, entry, file, OnnxRuntimeNetwork(path, entry, threads=1))


def _words(scores: Mapping[str, float]) -> str:
    return ", ".join(f"{key} {value:.4f}" for key, value in scores.items())
