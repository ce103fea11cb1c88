"""The seam to cameras: open, read, close. Which class serves a settings table is decided here."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol, assert_never

from agent.settings import OpenCvSource, Picamera2Source, ReplaySource, SourceSettings

if TYPE_CHECKING:
    from agent.frame import Frame
    from agent.source.picture import ExclusionMask


class FrameSource(Protocol):
    """Anything that delivers pictures. One thread opens, reads and closes it, in that order, repeatedly."""

    @property
    def every_frame(self) -> bool:
        """True when no frame may be dropped on the way (a replay as fast as possible)."""

    def open(self) -> None:
        """Get ready to deliver.

        Raises:
            CameraError: It can't be opened now; trying again later may help.
            ConfigError: It can never be opened as configured.
        """

    def read(self) -> Frame:
        """Block until the next frame.

        Returns:
            A frame whose pixels stay unchanged while the caller holds it.

        Raises:
            SourceEnded: The last frame has been delivered.
            CameraError: No frame came; close and open again.
            ConfigError: The input turned out to hold nothing usable.
        """

    def rest(self, until_s: float) -> None:
        """Nothing moves: frames may be passed over undecoded, but not the last one before this time.

        Args:
            until_s: Monotonic seconds.
        """

    def close(self) -> None:
        """Release the device and blacken the buffers; harmless when nothing is open."""


def make_source(name: str, settings: SourceSettings, stop: threading.Event | None = None) -> FrameSource:
    """Build the source for one ``[sources.<name>]`` table; nothing is opened yet.

    Args:
        name: The table's name; frames carry it.
        settings: The table.
        stop: Ends a read that only waits for its time to come (replay at the file's own pace).
    """
    source = _camera(name, settings, stop or threading.Event())
    if not settings.exclusion_zones:
        return source
    from agent.source.picture import ExclusionMask  # noqa: PLC0415 - loads OpenCV

    return ZonedSource(source, ExclusionMask(settings.exclusion_zones))


def _camera(name: str, settings: SourceSettings, stop: threading.Event) -> FrameSource:
    # Imported when chosen: `check` needs no camera library at all.
    if isinstance(settings, ReplaySource):
        from agent.source.recordings import ReplayCamera  # noqa: PLC0415

        return ReplayCamera(name, settings, stop)
    if isinstance(settings, OpenCvSource | Picamera2Source):
        # Their drivers may block for ever, so they get a process that can be killed.
        from agent.source.isolation import IsolatedCamera  # noqa: PLC0415

        return IsolatedCamera(name, settings, stop)
    assert_never(settings)


class ZonedSource:
    """A source whose excluded areas are black before anyone else sees the frame."""

    def __init__(self, source: FrameSource, mask: ExclusionMask) -> None:
        self._source = source
        self._mask = mask
        self.every_frame = source.every_frame
        self.open, self.rest, self.close = source.open, source.rest, source.close

    def read(self) -> Frame:
        """Read a frame and blacken its excluded areas in place."""
        frame = self._source.read()
        self._mask.apply(frame.pixels)
        return frame
