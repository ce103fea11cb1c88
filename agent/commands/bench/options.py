"""What a user asks of the bench."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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
