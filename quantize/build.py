"""One network from its FP32 file to its verified artefacts, whatever it is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from agent.inference import LoadedNetwork
from agent.inference.backends import open_network
from agent.inference.bundle import NetworkContent, NetworkEntry, NetworkFile
from models.bundling import sha256_of
from quantize.artefacts import Artefact, Plan, write_artefacts
from quantize.gate import Verdict

REQUIRED_BACKEND: Final = "onnxruntime"
"""Installed on every device; a network without its INT8 files is not written."""


@dataclass(frozen=True, slots=True)
class Built:
    """Everything the bundle needs of one network."""

    entry: NetworkEntry
    files: Mapping[str, bytes]
    """Path in the bundle → content, the very bytes that were scored."""
    verdicts: tuple[Verdict, ...]


def build(plan: Plan, folder: Path, say: Callable[[str], None]) -> Built:
    """Quantise into ``folder``, compare, score; ``say`` takes lines of progress.

    Raises:
        ModelError: An INT8 file loses more than the plan allows; nothing is to be written then.
    """
    fp32_scores: Mapping[str, float] = {}
    files: list[NetworkFile] = []
    contents: dict[str, bytes] = {}
    verdicts: list[Verdict] = []
    for artefact in write_artefacts(plan, folder, say):
        content = artefact.read()
        network = open_artefact(plan.name, plan.entry, artefact, content)
        held_out = plan.held_out(network)
        say(f"{plan.name}: {artefact.label} held-out {_words(held_out)}")
        fp32_scores = fp32_scores or held_out
        verdict = Verdict(f"{plan.name} {artefact.label}", fp32_scores, held_out, plan.allowed_points)
        if artefact.precision != "fp32":
            verdicts.append(verdict)
        if _is_kept(artefact, verdict, say):
            scores = plan.reported(network)
            say(f"{plan.name}: {artefact.label} {_words(scores)}")
            files.append(network.file.model_copy(update={"scores": dict(scores)}))
            contents |= _files_of(network.file, content)
        network.network.close()
    made = {"files": tuple(files), "calibration_sha256": plan.images.sha256}
    return Built(plan.entry.model_copy(update=made), contents, tuple(verdicts))


def _is_kept(artefact: Artefact, verdict: Verdict, say: Callable[[str], None]) -> bool:
    """Whether a file may be written; what every device depends on must pass, the rest may be left out."""
    if artefact.backend == REQUIRED_BACKEND:
        verdict.enforce()
    elif not verdict.passes:
        say(f"{verdict.name} is left out, it lost too much: {_words(verdict.lost_points)} points")
    return verdict.passes


def _files_of(file: NetworkFile, content: NetworkContent) -> dict[str, bytes]:
    """Path in the bundle → content."""
    found = {file.path: content.network}
    if file.weights_sha256 is not None:
        found[str(PurePosixPath(file.path).with_suffix(".bin"))] = content.weights
    return found


def open_artefact(
    name: str, entry: NetworkEntry, artefact: Artefact, content: NetworkContent
) -> LoadedNetwork:
    """Open a file that is in no bundle yet, on one thread.

    Raises:
        ModelError: The file doesn't fit the entry.
    """
    file = described(name, artefact, content)
    entry = entry.model_copy(update={"files": (file,)})
    return LoadedNetwork(name, entry, file, open_network(content, entry, threads=1))


def described(name: str, artefact: Artefact, content: NetworkContent) -> NetworkFile:
    """What the manifest says of a file, but for its scores."""
    return NetworkFile(
        backend=artefact.backend,
        precision=artefact.precision,
        path=f"{name}.{artefact.precision}{artefact.path.suffix}",
        sha256=sha256_of(content.network),
        weights_sha256=sha256_of(content.weights) if content.weights else None,
    )


def _words(scores: Mapping[str, float]) -> str:
    return ", ".join(f"{key} {value:.4f}" for key, value in scores.items())
