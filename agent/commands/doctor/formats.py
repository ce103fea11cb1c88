"""What the pixel formats of each configured V4L2 camera deliver and cost, and which one the agent takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.host import load_opencv
from agent.settings import AddressKind, OpenCvSource, SourceSettings
from agent.source.cameras import (
    AUTO,
    CameraMode,
    FormatTrial,
    list_formats,
    try_formats,
)

if TYPE_CHECKING:
    from agent.domain import Json


@dataclass(frozen=True, slots=True)
class SourceFormats:
    """One camera, opened once per format."""

    source: str
    wanted: CameraMode
    trials: tuple[FormatTrial, ...]
    conclusion: str

    def as_json(self) -> Json:
        """Plain values."""
        rows = [{**asdict(trial), "load": trial.load} for trial in self.trials]
        return {
            "source": self.source,
            "wanted": asdict(self.wanted),
            "conclusion": self.conclusion,
            "formats": [{**row.pop("mode"), **row} for row in rows],
        }


def examine_formats(sources: Mapping[str, SourceSettings]) -> tuple[SourceFormats, ...]:
    """Measure every V4L2 camera of a configuration that is there; it is busy for some seconds."""
    found = []
    for name, source in sources.items():
        if not isinstance(source, OpenCvSource) or source.address.kind is not AddressKind.V4L2:
            continue
        device = Path(source.address.target)
        if device.exists():
            found.append(_examine(name, source, device.resolve()))
    return tuple(found)


def _examine(name: str, source: OpenCvSource, device: Path) -> SourceFormats:
    cv2 = load_opencv()
    wanted = CameraMode(source.fourcc, source.width_px, source.height_px, source.fps)
    trials = try_formats(cv2, device, list_formats(device, wanted), wanted.fps, measure_one=True)
    return SourceFormats(name, wanted, trials, _conclude(wanted, trials))


def _conclude(wanted: CameraMode, trials: tuple[FormatTrial, ...]) -> str:
    best = next((trial.mode.fourcc for trial in trials if trial.chosen), None)
    if not trials:
        return "The camera doesn't tell its formats: the driver chooses."
    if wanted.fourcc == AUTO:
        return "None could be tried: the driver chooses." if best is None else f"The agent takes {best}."
    if best in {None, wanted.fourcc}:
        return f'The agent takes {wanted.fourcc}, as fourcc = "{wanted.fourcc}" says.'
    return f'The agent takes {wanted.fourcc}, as fourcc says; fourcc = "auto" would take {best}.'
