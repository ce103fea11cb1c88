"""Which cameras the kernel knows, without taking a picture."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.host import read_if_there
from agent.settings import AddressKind, OpenCvSource, ReplaySource, SourceSettings
from agent.source.cameras import AUTO, CameraMode, list_formats, what_is_there

_ANY_MODE: Final = CameraMode(AUTO, 640, 480, 15.0)


@dataclass(frozen=True, slots=True)
class CameraFacts:
    """A device node of Video4Linux."""

    path: str
    name: str
    """As the driver tells it."""
    stable_path: str | None
    """Under ``/dev/v4l/by-id``: survives replugging and other cameras."""
    readable: bool
    """By the user who asks."""
    formats: tuple[str, ...]
    """Names of its pixel formats; none for a node without pictures, such as the second one of a webcam."""


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """A configured source, as far as it can be judged without opening it."""

    name: str
    type: str
    ok: bool
    detail: str


def find_cameras(root: Path = Path("/")) -> tuple[CameraFacts, ...]:
    """All device nodes in the order of their numbers."""
    nodes = sorted((root / "dev").glob("video*"), key=lambda path: (len(path.name), path.name))
    by_id = {
        link.resolve(): str(link) for link in sorted((root / "dev" / "v4l" / "by-id").glob("*"), reverse=True)
    }
    return tuple(
        CameraFacts(
            path=str(node),
            name=read_if_there(root / "sys/class/video4linux" / node.name / "name") or "unknown",
            stable_path=by_id.get(node.resolve()),
            readable=os.access(node, os.R_OK | os.W_OK),
            formats=tuple(offered.mode.fourcc for offered in list_formats(node, _ANY_MODE)),
        )
        for node in nodes
    )


def judge_sources(sources: Mapping[str, SourceSettings]) -> tuple[SourceFacts, ...]:
    """Whether what the configuration names is there."""
    return tuple(SourceFacts(name, source.type, *_judge(source)) for name, source in sources.items())


def _judge(source: SourceSettings) -> tuple[bool, str]:
    if isinstance(source, ReplaySource):
        there = source.path.exists()
        return there, str(source.path) if there else f"{source.path} is not there: correct path"
    if not isinstance(source, OpenCvSource):
        there = importlib.util.find_spec("picamera2") is not None
        return there, "picamera2 is installed" if there else "install it with apt install python3-picamera2"
    device = source.address.target
    if source.address.kind is not AddressKind.V4L2:
        return True, "a stream: it is tried when the agent runs"
    if not Path(device).exists():
        return False, f"{device} is not there: {what_is_there(Path(device))}"
    if not os.access(device, os.R_OK | os.W_OK):
        return False, f"{device} can't be opened by this user: add it to the group video"
    return True, device
