"""What a user asks of the bench, and what it brings, with the derived figures that one looks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from agent.commands.bench.measured import Played, Several, Still
    from agent.domain import Json
    from agent.inference.choice import Choice, Trial


CONDITIONS: Final = ("budget_ms", "fps", "seconds", "threads", "burners")
"""Of the options, what the figures depend on."""


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What to measure, and under which conditions."""

    faces: tuple[int, ...] = (1, 5, 20, 50)
    budget_ms: float = 100.0
    threads: int = 0
    """0 is what the agent takes by itself."""
    backend: str = "auto"
    precision: str = "auto"
    bundle: Path | None = None
    """None is the one installed with the agent."""
    trusted_keys: tuple[Path, ...] = ()
    allow_unsigned: bool = False
    """Both as in the configuration's ``[models]``."""
    fps: float | None = 15.0
    """Pace of the drawn camera; None goes as fast as it can."""
    seconds: float = 10.0
    """Per number of faces."""
    burners: int = 0
    """Processes that burn one core each beside the measurement."""
    soak_frames: int = 0
    """Frames of one face to run for the growth of memory; 0 leaves it out."""
    still_s: float = 20.0
    """Camera time of an empty room, which passes faster."""
    sources: int = 0
    """Sources to run at once in one process; 0 leaves it out."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything measured in one run of the bench."""

    choice: Choice
    """Candidates with their times, and what was chosen."""
    pipeline: Mapping[str, Played]
    """By number of faces."""
    baseline: Played | None = None
    """One face with ONNX Runtime FP32: what overhead is measured against."""
    soak: Played | None = None
    still: Still | None = None
    """An empty room with and without the motion gate."""
    several: Mapping[str, Several] = field(default_factory=dict)
    """Several sources at the camera's pace and overloaded, where that was asked for."""
    options: BenchOptions = field(default_factory=BenchOptions)
    """Under which conditions."""

    @property
    def speedup(self) -> dict[str, float | None]:
        """Best INT8 against ONNX Runtime FP32, at the largest input; None where one of them is missing."""
        heads = {"detector": self.choice.detectors[0], "classifier": self.choice.classifier}
        trials = [row.trial for row in self.choice.rows]
        return {
            f"{head}_{rival}": _speedup(trials, None if chosen is None else chosen.network, backend)
            for rival, backend in (("best", None), ("onnxruntime", "onnxruntime"))
            for head, chosen in heads.items()
        }

    @property
    def overhead_share(self) -> float | None:
        """Everything but the networks, at one face, as a share of the ONNX Runtime FP32 frame."""
        one = self.pipeline.get("1")
        return None if one is None or self.baseline is None else one.overhead_ms / self.baseline.frame_ms

    def as_json(self) -> dict[str, Json]:
        """Plain values, the only place that makes them; keys are only ever added."""
        results = list(self.pipeline.values())
        return {
            "conditions": {name: getattr(self.options, name) for name in CONDITIONS},
            "speedup": self.speedup,
            "overhead_share": self.overhead_share,
            "pipeline": {faces: asdict(result) for faces, result in self.pipeline.items()},
            "rss_mb": max((result.rss_mb for result in results), default=None),
            "ready_s": results[0].ready_s if results else None,
            "baseline": {} if self.baseline is None else asdict(self.baseline),
            "soak": None if self.soak is None else asdict(self.soak),
            "still": {} if self.still is None else asdict(self.still),
            "several": {load: asdict(result) for load, result in self.several.items()},
            "candidates": [row.as_json() for row in self.choice.rows],
        }


def _speedup(trials: Sequence[Trial], network: str | None, backend: str | None) -> float | None:
    """FP32 of ONNX Runtime over the fastest INT8, on the CPU."""
    wanted = (network, "agrees", "cpu")
    own = [trial for trial in trials if (trial.network, trial.outcome, trial.device) == wanted]
    fp32 = [trial.ms for trial in own if (trial.backend, trial.precision) == ("onnxruntime", "fp32")]
    rivals = [trial for trial in own if trial.precision.startswith("int8")]
    int8 = [trial.ms for trial in rivals if trial.ms and backend in {None, trial.backend}]
    return round(fp32[0] / min(int8), 3) if fp32 and fp32[0] and int8 else None
