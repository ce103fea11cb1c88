"""What a camera needs to know of its settings table: plain values, which go to its process as they are.

That process stays small, and so never loads the configuration reader.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from agent.settings import OpenCvSource, Picamera2Source


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraSettings:
    """What every camera has; each field means what it means in :mod:`agent.settings.sources`."""

    width_px: int
    height_px: int
    fps: float
    stall_timeout_s: float

    @classmethod
    def of(cls, source: OpenCvSource | Picamera2Source) -> Self:
        """Those fields of a table that are named here."""
        return cls(**source.model_dump(mode="json", include={own.name for own in fields(cls)}))


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCvSettings(CameraSettings):
    """For whatever OpenCV or GStreamer opens."""

    device: int | str = field(repr=False)
    fourcc: str
    rtsp_transport: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picamera2Settings(CameraSettings):
    """For a CSI camera."""

    camera: int
