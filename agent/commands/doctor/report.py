"""What the doctor found, as plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.commands.doctor.broker_check import BrokerFacts
    from agent.commands.doctor.cameras import CameraFacts, SourceFacts
    from agent.commands.doctor.facts import DeviceFacts
    from agent.commands.doctor.formats import SourceFormats
    from agent.domain import Json
    from agent.inference.choice import Choice


@dataclass(frozen=True, slots=True)
class Report:
    """All that the doctor found."""

    device: DeviceFacts
    cameras: tuple[CameraFacts, ...]
    sources: tuple[SourceFacts, ...]
    """Empty without a configuration."""
    formats: tuple[SourceFormats, ...]
    """Of the V4L2 cameras among them."""
    camera_process: str
    """What keeps a process that decodes a camera's bytes from doing anything else."""
    broker: BrokerFacts | None
    """None without a configuration."""
    backends: dict[str, str | None]
    """Version of each one's package; None where it is not installed."""
    bundle: str
    signature: str
    """Who signed the bundle, or that nobody did."""
    budget_ms: float
    choice: Choice | None
    problem: str = ""
    """Why there is no choice, in one sentence."""
    exit_code: int = 0

    def as_json(self) -> Json:
        """Plain values, one key per part, and the candidates apart from the choice."""
        plain = asdict(self)
        del plain["exit_code"]
        plain["formats"] = [source.as_json() for source in self.formats]
        rows = plain["choice"].pop("rows") if plain["choice"] else ()
        plain["candidates"] = [{**row.pop("trial"), **row} for row in rows]
        plain["problem"] = plain.pop("problem")  # the last key
        return plain
