"""What the parent asks of the measured process; it travels as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

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

    def to_json(self) -> bytes:
        """For a pipe."""
        return TypeAdapter(Request).dump_json(self)

    @staticmethod
    def from_json(content: bytes) -> Request:
        """The reverse of :meth:`to_json`."""
        return TypeAdapter(Request).validate_json(content)
