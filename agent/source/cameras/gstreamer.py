"""Frames from a GStreamer pipeline.

The OpenCV that pip installs is built without GStreamer, so the pipeline runs in the system's own GStreamer,
with whatever hardware plug-ins the board's vendor put there.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np

from agent.errors import CameraError, ConfigError
from agent.frame import Frame
from agent.source.buffers import FrameBuffers, PictureBuffers
from agent.source.cameras.login import pipeline_word_with
from agent.source.cameras.pipeline import SINK, Pipeline, load_gstreamer
from agent.source.rest import Rest

if TYPE_CHECKING:
    from agent.source.cameras.settings import OpenCvSettings

_SINK: Final = re.compile(r"!\s*(appsink|fakesink|autovideosink|fdsink)\b[^!]*$")
_ROW_BYTES: Final = 4
"""GStreamer pads each row of raw video to a multiple of this."""


def prepare_gstreamer(name: str) -> None:
    """Load the library for the source of this name.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        load_gstreamer()
    except OSError as error:
        raise ConfigError(
            f"sources.{name}.device: GStreamer is not installed; run apt install"
            " gstreamer1.0-plugins-base gstreamer1.0-plugins-good"
        ) from error


class GStreamerCamera:
    """Runs ``… ! appsink`` as configured, scaled to the configured size, in BGR.

    Reading blocks as long as the pipeline is silent; the camera's own process
    (:mod:`agent.source.isolation`) puts the limit.
    """

    def __init__(
        self,
        name: str,
        settings: OpenCvSettings,
        buffers: PictureBuffers | None = None,
        rest: Rest | None = None,
        *,
        login: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._clock = clock
        self._settings = settings
        self._login = login
        self._buffers = buffers or FrameBuffers()
        self._rest = rest or Rest()
        self._pipeline: Pipeline | None = None
        self._index = 0
        width_px = settings.width_px
        row_bytes = -(-3 * width_px // _ROW_BYTES) * _ROW_BYTES
        # Needed only where rows are padded; else pictures go straight into their buffer.
        padded = row_bytes != 3 * width_px
        self._padded = np.empty((settings.height_px, row_bytes), np.uint8) if padded else None

    def open(self) -> None:
        """Start the pipeline. Whether it works shows at the first read.

        Raises:
            ConfigError: GStreamer is not installed.
            CameraError: It is no pipeline, or its elements are not installed.
        """
        self.close()
        prepare_gstreamer(self._name)
        try:
            self._pipeline = Pipeline(self._words())
        except ValueError:
            # Without the cause, which may quote the pipeline.
            raise self._ended() from None

    def read(self) -> Frame:
        """Block until the pipeline delivers its next picture, but for those passed over at rest.

        Raises:
            CameraError: The pipeline ended or never started.
        """
        if self._pipeline is None:
            raise CameraError(f"sources.{self._name}: the pipeline is closed; it is started anew")
        view = self._buffers.claim(self._settings.height_px, self._settings.width_px)
        while True:
            if not self._pipeline.pull(view if self._padded is None else self._padded):
                raise self._ended()
            captured_at_s = self._clock()
            if not self._rest.covers(captured_at_s):
                break
        if self._padded is not None:
            np.copyto(view, self._padded[:, : 3 * self._settings.width_px].reshape(view.shape))
        frame = Frame(view, captured_at_s, self._name, self._index)
        self._index += 1
        return frame

    def close(self) -> None:
        """End the pipeline and blacken the buffers."""
        if self._pipeline is not None:
            self._pipeline.close()
            self._pipeline = None
        if self._padded is not None:
            self._padded.fill(0)
        self._buffers.close()

    def _words(self) -> list[str]:
        size = f"width={self._settings.width_px},height={self._settings.height_px}"
        # A sink that forgets old pictures: what is read next is what the camera saw last.
        ending = (
            f"! videoconvert ! videoscale ! video/x-raw,format=BGR,{size}"
            f" ! appsink name={SINK} max-buffers=1 drop=true sync=false"
        )
        words = shlex.split(f"{_SINK.sub('', str(self._settings.device).strip())} {ending}")
        return [pipeline_word_with(word, self._login) for word in words]

    def _ended(self) -> CameraError:
        return CameraError(
            f"sources.{self._name}: the pipeline ended; try it with gst-launch-1.0, it is started anew"
        )
