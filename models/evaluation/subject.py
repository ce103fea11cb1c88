"""What is judged: networks of a bundle, the data, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.errors import ModelError
from agent.inference import LoadedNetwork
from agent.inference.backends import load_network
from agent.inference.bundle import Bundle, NetworkEntry
from agent.settings import DetectorSettings
from models.data import (
    FerPlus,
    LabelledPhoto,
    Portrait,
    Protocol,
    in_protocol,
    read_crowds,
    read_ferplus,
    read_portraits,
)


class EvaluationData:
    """A folder whose kinds are read once each; what is missing or broken there raises ``ModelError``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def peers(self) -> Path:
        """Folder of other people's networks, beside the data."""
        return self.folder.parent / "peers"

    @cached_property
    def crowds(self) -> list[LabelledPhoto]:
        """Photos of crowds."""
        return read_crowds(self.folder)

    @cached_property
    def ferplus_test(self) -> FerPlus:
        """The whole test split of FER+."""
        return read_ferplus(self.folder, "test")

    @cached_property
    def portraits(self) -> list[Portrait]:
        """People whom no network was taught."""
        return read_portraits(self.folder, "valid")


@dataclass(frozen=True, slots=True)
class Subject:
    """Opened networks and the bounds of a run."""

    data: EvaluationData
    detector: LoadedNetwork
    """Finds faces; a single-stage one names their expressions too."""
    classifier: LoadedNetwork
    single_stage: tuple[LoadedNetwork, ...] = ()
    """Every family of the bundle that needs no classifier, at its largest input."""
    limit: int | None = None
    """Most faces, or windows of the clip, to judge; None is all."""
    seed: int = 0
    """Of the subset and of the clip."""
    score_threshold: float = DetectorSettings().score_threshold
    """A detection below it is none; the agent's default."""
    choosing: bool = False
    """Whether walks show the people and seeds on which things are tuned, not those that are reported."""
    tracker_python: str | None = None
    """A Python with the package ``trackers``, to compare with; None leaves the comparison out."""

    def ferplus(self, protocol: Protocol) -> FerPlus:
        """FER+ test faces that count in a protocol, within the limit."""
        whole = self.data.ferplus_test
        counted = whole.select(in_protocol(whole.votes, protocol))
        return counted.select(sample_indices(len(counted.images), self.limit, self.seed))


def load_subject(
    bundle_dir: Path,
    data: EvaluationData,
    *,
    detector: str,
    classifier: str,
    precision: str,
    limit: int | None = None,
    seed: int = 0,
    score_threshold: float | None = None,
    choosing: bool = False,
    tracker_python: str | None = None,
) -> Subject:
    """Open the networks that are named, with ONNX Runtime on one thread; the rest is as in :class:`Subject`.

    Detector and classifier are a family, of which the largest input is taken, or one entry of the manifest.
    Single-stage networks that lack the precision are judged in FP32.

    Raises:
        ModelError: A network is not in the bundle, or has no file of this precision.
    """
    bundle = Bundle.load(bundle_dir)
    families = {entry.family for entry in bundle.manifest.networks.values() if entry.task == "face_emotion"}

    def load(name: str, *, or_fp32: bool = False) -> LoadedNetwork:
        key, entry = next(iter(named_entries(bundle, name).items()))
        chosen = precision if not or_fp32 or entry.file_for("onnxruntime", precision) else "fp32"
        return load_network(bundle, key, entry, backend="onnxruntime", precision=chosen, threads=1)

    finder, namer = load(detector), load(classifier)
    if finder.entry.task == "emotion" or namer.entry.task != "emotion":
        raise ModelError(
            f"{finder.name} is for {finder.entry.task!r} and {namer.name} for {namer.entry.task!r}:"
            " name a face network with --detector and an expression network with --classifier"
        )
    single_stage = tuple(load(family, or_fp32=True) for family in sorted(families))
    threshold = DetectorSettings().score_threshold if score_threshold is None else score_threshold
    return Subject(data, finder, namer, single_stage, limit, seed, threshold, choosing, tracker_python)


def sample_indices(count: int, limit: int | None, seed: int) -> NDArray[np.intp]:
    """Ascending indices below ``count``: all of them, or ``limit`` drawn by ``seed``."""
    if limit is None or limit >= count:
        return np.arange(count, dtype=np.intp)
    return np.sort(np.random.default_rng(seed).choice(count, limit, replace=False)).astype(np.intp)


def named_entries(bundle: Bundle, name: str) -> dict[str, NetworkEntry]:
    """The one entry of that name, or all of the family, largest input first.

    Raises:
        ModelError: The bundle has neither; the known families are named.
    """
    if name in bundle.manifest.networks:
        return {name: bundle.manifest.networks[name]}
    return bundle.family(name)
