"""Frames from a video file or a folder of images, at their own pace or as fast as they are taken."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from agent.errors import ConfigError, SourceEnded
from agent.frame import Frame
from agent.source.buffers import FrameBuffers
from agent.source.recordings.images import ImageFolder
from agent.source.recordings.video import VideoFile
from agent.source.rest import Rest

if TYPE_CHECKING:
    from agent.settings import ReplaySource


class ReplayCamera:
    """A recording that behaves like a camera. It ends, unless told to loop."""

    def __init__(
        self,
        name: str,
        settings: ReplaySource,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._settings = settings
        self._stop = stop
        self._clock = clock
        self._buffers = FrameBuffers()
        self._rest = Rest()
        self._recording: ImageFolder | VideoFile | None = None
        self._started_at_s = 0.0
        self._in_this_pass = 0
        self._index = 0

    @property
    def every_frame(self) -> bool:
        """True unless the recording keeps its own pace, as a camera would."""
        return not self._settings.realtime

    def open(self) -> None:
        """Go to the first picture.

        Raises:
            ConfigError: The path is missing, or is neither a video nor a folder with images.
        """
        path = self._settings.path
        if not path.exists():
            raise ConfigError(f"sources.{self._name}.path: {path} does not exist; give a video or a folder")
        kind = ImageFolder if path.is_dir() else VideoFile
        self._recording = kind(path, self._settings.fps, self._buffers)
        self._start_pass()

    def read(self) -> Frame:
        """The next picture, at its time when the pace is the recording's own.

        Raises:
            SourceEnded: After the last picture, or when asked to stop while waiting.
            ConfigError: A whole pass delivered no picture.
        """
        if self._recording is None:
            raise SourceEnded(f"sources.{self._name}: the replay is closed; open it first")
        while True:
            captured_at_s = self._go_to_next(self._recording)
            rests = self._rest.covers(captured_at_s)
            pixels = None if rests else self._recording.picture()
            self._in_this_pass += rests or pixels is not None
            if pixels is not None:
                frame = Frame(pixels, captured_at_s, self._name, self._index)
                self._index += 1
                return frame

    def rest(self, until_s: float) -> None:
        """Pass pictures over before they are converted; never where every frame counts."""
        if self._settings.realtime:
            self._rest.until(until_s)

    def close(self) -> None:
        """Release the file and blacken the buffers."""
        if self._recording is not None:
            self._recording.close()
            self._recording = None
        self._buffers.close()

    def _start_pass(self) -> None:
        if self._recording is not None:
            self._recording.rewind()
        self._in_this_pass = 0
        self._started_at_s = self._clock()

    def _go_to_next(self, recording: ImageFolder | VideoFile) -> float:
        """The next picture's own time by the clock, waited for where the pace is the recording's."""
        at_s = recording.advance()
        while at_s is None:
            self._end_pass()
            at_s = recording.advance()
        if self._settings.realtime and self._stop.wait(self._started_at_s + at_s - self._clock()):
            raise SourceEnded(f"sources.{self._name}: the replay was stopped; start it again to see the rest")
        return self._clock()

    def _end_pass(self) -> None:
        if self._in_this_pass == 0:
            path = self._settings.path
            raise ConfigError(f"sources.{self._name}.path: no picture in {path} can be decoded; replace it")
        if not self._settings.loop or self._stop.is_set():
            raise SourceEnded(
                f"sources.{self._name}: {self._settings.path} is finished; set loop = true to repeat it"
            )
        self._start_pass()
