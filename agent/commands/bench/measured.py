"""What a worker is asked and what it measures; both travel as JSON.

The fields of all but the request are the keys of ``bench --json``, which are only ever added to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from agent.settings import AgentSettings


@dataclass(frozen=True, slots=True)
class Request:
    """What to run."""

    settings: AgentSettings
    state_dir: Path | None
    memory: str
    """Name of the shared memory that holds the frames."""
    shape: tuple[int, int, int, int]
    """N×H×W×3."""
    spawned_s: float
    """Monotonic seconds at which this process was asked for."""
    fps: float | None
    """Pace of the camera, which waits for nobody; None shows the next frame when the last is done."""
    seconds: float
    frames: int | None = None
    """Stop after so many instead."""
    still: bool = False
    """Show the pictures as those of an empty room, for so many seconds of camera time."""
    sources: int = 0
    """Show them by so many cameras at once; 0 is one without a capture of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """Frames and their latency from capture to reading."""

    frames: int
    fps: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Played(Timed):
    """One source's pipeline, stage by stage."""

    dropped_in_mailbox: int
    """Came and went while another was worked on."""
    dropped_stale: int
    readings_per_frame: float
    classifications_per_frame: float
    tier_changes: int
    last_tier: int
    frame_ms: float
    overhead_ms: float
    """Of ``frame_ms``, all but the networks."""
    stages_ms: Mapping[str, float]
    """By what people call the stage; together they are ``frame_ms``."""
    cpu_s_per_hour: float | None
    """At the camera's pace; None without one, where a box is busy all the time."""
    rss_mb: float
    rss_growth_mb: float
    """Of the process's own memory: pages of libraries come and go as the system likes."""
    ready_s: float
    """From asking for the process to the first frame."""
    cached: bool
    """Whether the choice of networks was."""
    backend: str
    precision: str
    tiers: tuple[str, ...]

    def at_pace(self, paced: Played) -> Played:
        """Rate, stages and start of this run, with latency, losses and costs of one at a camera's pace."""
        return replace(
            paced,
            fps=self.fps,
            frame_ms=self.frame_ms,
            overhead_ms=self.overhead_ms,
            stages_ms=self.stages_ms,
            rss_growth_mb=self.rss_growth_mb,
            ready_s=self.ready_s,
            cached=self.cached,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """An empty room through capture and pipeline."""

    cpu_s_per_hour: float
    capture_cpu_s_per_hour: float
    pipeline_cpu_s_per_hour: float
    frames: int
    """Shown by the camera; of these ``read`` were copied, and ``processed`` came to the pipeline."""
    read: int
    processed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """What the motion gate leaves of the cost of an empty room."""

    fps: float
    seconds: float
    every_frame: Watched
    gated: Watched
    share: float
    """Of processor time, ``gated`` by ``every_frame``."""
    detection_share: float
    """The same of the pipeline alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn(Timed):
    """One of several sources; its frames are those that were not dropped."""

    name: str
    share: float
    """Of an equal part of all frames; 1 is exactly that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Several:
    """Sources that take turns on one pipeline thread."""

    fps: float
    """Of each camera."""
    cpu_s_per_hour: float
    """Of the whole."""
    budget_ms: float
    sources: tuple[Turn, ...]
    fair: bool
    """Whether all shares are nearly 1."""
    in_time: bool
    """Whether each p99 is within the budget."""
