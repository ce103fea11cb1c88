"""``[sources.…]``: where frames come from."""

from __future__ import annotations

from datetime import date
from math import dist
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from agent.domain import LARGEST_PICTURE_PX
from agent.settings.address import NO_ADDRESS, AddressKind, CameraAddress, parse_address
from agent.settings.table import LineEnds, Polygon, Table

_SHORTEST_LINE: Final = 0.01


def _checked_device(value: object) -> object:
    """Before pydantic looks at it, whose own errors quote the value."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(NO_ADDRESS)  # noqa: TRY004 - pydantic wants no other
    parse_address(value)
    return value


class MeasuredCount(Table):
    """``[sources.*.measured]``: what ``emotion-agent tally`` found. Told in birth, and changes no count."""

    count_ratio: float = Field(gt=0.0)
    """Tracks for each person counted by hand."""
    count_ratio_low: float = Field(ge=0.0)
    count_ratio_high: float = Field(gt=0.0)
    """Ends of its 95 % interval."""
    counted_on: date

    @model_validator(mode="after")
    def _lies_in_its_interval(self) -> Self:
        if not self.count_ratio_low <= self.count_ratio <= self.count_ratio_high:
            raise ValueError("count_ratio must lie between count_ratio_low and count_ratio_high")
        return self


class SourceBase(Table):
    """What every source has, whatever delivers its frames."""

    stall_timeout_s: float = Field(default=20.0, ge=1.0, le=600.0)
    """Seconds without a frame after which the source is closed and reopened."""
    exclusion_zones: tuple[Polygon, ...] = ()
    """Polygons in shares of width and height, blacked out before detection."""
    idle_interval_ms: float = Field(default=500.0, ge=0.0, le=10_000.0)
    """Longest time between two looks at a scene where nothing moves; 0 looks at every frame."""
    measured: MeasuredCount | None = None
    """How far the counts of this source can be trusted, where somebody has counted beside the agent."""
    counting: Literal["presence", "line"] = "presence"
    """Who was there, or who crossed ``line``, in and out apart."""
    line: LineEnds | None = None
    """Its ends x1, y1, x2, y2 in shares of width and height. Seen from the first towards the second, whoever
    crosses to the right comes in."""

    @model_validator(mode="after")
    def _a_line_is_there_to_be_counted(self) -> Self:
        if (self.counting == "line") != (self.line is not None):
            msg = 'counting = "line" and line = [x1, y1, x2, y2] need each other: set both or neither'
            raise ValueError(msg)
        if self.line is not None and dist(self.line[:2], self.line[2:]) < _SHORTEST_LINE:
            msg = "the ends of line are one point: set them a hundredth of the picture apart at least"
            raise ValueError(msg)
        return self


class ReplaySource(SourceBase):
    """A video file or a folder of images."""

    type: Literal["replay"]
    path: Path
    realtime: bool = True
    """Keep the file's own pace and drop frames as a camera would; False delivers every frame."""
    loop: bool = False
    """Start again at the end instead of ending the run."""
    fps: float = Field(default=10.0, gt=0.0, le=240.0)
    """Frames per second of an image folder; a video brings its own."""


class OpenCvSource(SourceBase):
    """Anything OpenCV can open: V4L2 index or path, RTSP URL, GStreamer pipeline."""

    type: Literal["opencv"]
    device: Annotated[int | str, BeforeValidator(_checked_device)] = Field(repr=False)
    """0, "/dev/video0", "/dev/v4l/by-id/…", "rtsp://…" or "… ! appsink"; never with a secret inside."""
    width_px: int = Field(default=640, ge=64, le=7680)
    height_px: int = Field(default=480, ge=64, le=4320)
    fps: float = Field(default=15.0, gt=0.0, le=240.0)
    fourcc: Literal["auto"] | Annotated[str, Field(pattern=r"^[A-Z0-9 ]{4}$")] = "auto"
    """Pixel format asked of a V4L2 camera, such as "MJPG"; "auto" tries those that it offers at the first
    opening and takes the one that costs least. ``doctor`` tells the figures."""
    credentials_file: Path | None = None
    """One line ``user:password``, for a URL or for ``{username}`` and ``{password}`` in any address."""
    rtsp_transport: Literal["tcp", "udp"] = "tcp"

    @property
    def address(self) -> CameraAddress:
        """What ``device`` means."""
        return parse_address(self.device)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width_px * self.height_px > LARGEST_PICTURE_PX:
            msg = "width_px x height_px is more than 12 megapixels: set a smaller size"
            raise ValueError(msg)
        if self.credentials_file is None and self.address.has_places:
            msg = "the address asks for {username} or {password}: set credentials_file"
            raise ValueError(msg)
        if self.credentials_file is not None and not (
            self.address.has_places or self.address.kind is AddressKind.URL
        ):
            msg = "credentials_file has no use: write user-id={username} user-pw={password} into the pipeline"
            raise ValueError(msg)
        return self


class Picamera2Source(SourceBase):
    """A Raspberry Pi CSI camera through the operating system's picamera2."""

    type: Literal["picamera2"]
    camera: int = Field(default=0, ge=0, le=7)
    width_px: int = Field(default=640, ge=64, le=4608)
    height_px: int = Field(default=480, ge=64, le=2592)
    fps: float = Field(default=15.0, gt=0.0, le=120.0)


SourceSettings = Annotated[ReplaySource | OpenCvSource | Picamera2Source, Field(discriminator="type")]
