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
    broker: BrokerFacts | None
    """None without a configuration."""
    versions: dict[str, str | None]
    """Of each backend's package; None where it is not installed."""
    bundle: str
    signature: str
    """Who signed the bundle, or that nobody did."""
    budget_ms: float
    choice: Choice | None
    problem: str = ""
    """Why there is no choice, in one sentence."""
    exit_code: int = 0

    def as_json(self) -> Json:
        """Plain values, one key per part."""
        choice = self.choice
        return {
            "device": asdict(self.device),
            "cameras": [asdict(camera) for camera in self.cameras],
            "sources": [asdict(source) for source in self.sources],
            "formats": [source.as_json() for source in self.formats],
            "broker": None if self.broker is None else asdict(self.broker),
            "backends": self.versions,
            "bundle": self.bundle,
            "signature": self.signature,
            "budget_ms": self.budget_ms,
            "choice": None
            if choice is None
            else {
                "detectors": [asdict(pick) for pick in choice.detectors],
                "classifier": None if choice.classifier is None else asdict(choice.classifier),
                "start_tier": choice.start_tier,
                "fits": choice.fits,
                "cached": choice.cached,
            },
            "candidates": [] if choice is None else [row.as_json() for row in choice.rows],
            "problem": self.problem,
        }
