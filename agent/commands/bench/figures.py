"""What a bench brings, with the derived figures that one looks for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent.inference.choice import Choice, Trial


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything measured in one run of the bench."""

    choice: Choice
    """Candidates with their times, and what was chosen."""
    pipeline: Mapping[str, Mapping[str, Any]]
    """By number of faces: the worker's result."""
    baseline: Mapping[str, Any]
    """One face with ONNX Runtime FP32: what overhead is measured against."""
    soak: Mapping[str, Any] | None = None
    peers: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    still: Mapping[str, Any] = field(default_factory=dict)
    """An empty room with and without the motion gate."""
    several: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Several sources at the camera's pace and overloaded, where that was asked for."""
    conditions: Mapping[str, Any] = field(default_factory=dict)

    @property
    def speedup(self) -> dict[str, float | None]:
        """Best INT8 against ONNX Runtime FP32, at the largest input; None where one of them is missing."""
        detector = self.choice.detectors[0].network
        classifier = None if self.choice.classifier is None else self.choice.classifier.network
        trials = [row.trial for row in self.choice.rows]
        return {
            "detector_best": _speedup(trials, detector, None),
            "classifier_best": _speedup(trials, classifier, None),
            "detector_onnxruntime": _speedup(trials, detector, "onnxruntime"),
            "classifier_onnxruntime": _speedup(trials, classifier, "onnxruntime"),
        }

    @property
    def overhead_share(self) -> float | None:
        """Everything but the networks, at one face, as a share of the ONNX Runtime FP32 frame."""
        one = self.pipeline.get("1")
        if one is None or not self.baseline:
            return None
        return float(one["overhead_ms"]) / float(self.baseline["frame_ms"])

    def as_json(self) -> dict[str, Any]:
        """Plain values; keys are only ever added."""
        results = list(self.pipeline.values())
        return {
            "conditions": dict(self.conditions),
            "speedup": self.speedup,
            "overhead_share": self.overhead_share,
            "pipeline": {
                faces: {**result, "dropped": result["dropped"]} for faces, result in self.pipeline.items()
            },
            "rss_mb": max((result["rss_mb"] for result in results), default=None),
            "ready_s": results[0]["ready_s"] if results else None,
            "baseline": dict(self.baseline),
            "soak": None if self.soak is None else dict(self.soak),
            "still": dict(self.still),
            "several": {load: dict(result) for load, result in self.several.items()},
            "peers": [dict(peer) for peer in self.peers],
            "candidates": [row.as_json() for row in self.choice.rows],
        }


def _speedup(trials: Sequence[Trial], network: str | None, backend: str | None) -> float | None:
    """FP32 of ONNX Runtime over the fastest INT8, on the CPU."""
    own = [
        trial
        for trial in trials
        if trial.network == network and trial.outcome == "agrees" and trial.device == "cpu"
    ]
    fp32 = [trial.ms for trial in own if (trial.backend, trial.precision) == ("onnxruntime", "fp32")]
    int8 = [
        trial.ms for trial in own if trial.precision.startswith("int8") and backend in {None, trial.backend}
    ]
    times = [ms for ms in int8 if ms]
    return round(fp32[0] / min(times), 3) if fp32 and fp32[0] and times else None
