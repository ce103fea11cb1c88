"""Frames from a GStreamer pipeline, run by ``gst-launch-1.0`` in a process of its own.

The OpenCV that pip installs is built without GStreamer, so the pipeline runs in the system's own GStreamer,
with whatever hardware plug-ins the board's vendor put there, and hands over raw pictures through a pipe.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from agent.errors import CameraError, ConfigError
from agent.frame import Frame
from agent.host import die_with_parent
from agent.source.buffers import FrameBuffers, PictureBuffers
from agent.source.cameras.address import parse_address
from agent.source.rest import Rest

if TYPE_CHECKING:
    from agent.source.cameras.settings import OpenCvSettings

_SINK: Final = re.compile(r"!\s*(appsink|fakesink|autovideosink|fdsink)\b[^!]*$")
_ROW_BYTES: Final = 4
"""GStreamer pads each row of raw video to a multiple of this."""
_END_S: Final = 0.5


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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._clock = clock
        self._settings = settings
        self._buffers = buffers or FrameBuffers()
        self._rest = rest or Rest()
        self._address = parse_address(settings.device)
        self._process: subprocess.Popen[bytes] | None = None
        self._index = 0
        width_px = settings.width_px
        self._row_bytes = -(-3 * width_px // _ROW_BYTES) * _ROW_BYTES
        # Needed only where rows are padded; else pictures go straight from the pipe into their buffer.
        padded = self._row_bytes != 3 * width_px
        self._padded = np.empty((settings.height_px, self._row_bytes), np.uint8) if padded else None

    def open(self) -> None:
        """Start the pipeline. Whether it works shows at the first read.

        Raises:
            ConfigError: ``gst-launch-1.0`` is not installed.
        """
        self.close()
        try:
            self._process = subprocess.Popen(
                ["gst-launch-1.0", "--quiet", *self._pipeline()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                # A pipeline whose camera hangs must not outlive the process that reads it.
                preexec_fn=die_with_parent,  # noqa: PLW1509 - the camera process has a single thread
            )
        except FileNotFoundError as error:
            raise ConfigError(
                f"sources.{self._name}.device: gst-launch-1.0 is not installed; run apt install"
                " gstreamer1.0-tools gstreamer1.0-plugins-good"
            ) from error

    def read(self) -> Frame:
        """Block until the pipeline delivers its next picture, but for those passed over at rest.

        Raises:
            CameraError: The pipeline ended or never started.
        """
        if self._process is None or self._process.stdout is None:
            raise CameraError(f"sources.{self._name}: the pipeline is closed; it is started anew")
        view = self._buffers.claim(self._settings.height_px, self._settings.width_px)
        while True:
            self._fill(view if self._padded is None else self._padded, self._process.stdout)
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
        process, self._process = self._process, None
        if process is not None:
            if process.stdout is not None:
                process.stdout.close()
            process.terminate()
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._padded is not None:
            self._padded.fill(0)
        self._buffers.close()

    def _pipeline(self) -> list[str]:
        size = f"width={self._settings.width_px},height={self._settings.height_px}"
        # A queue that forgets old pictures: what is read next is what the camera saw last.
        ending = (
            f"! videoconvert ! videoscale ! video/x-raw,format=BGR,{size}"
            " ! queue leaky=downstream max-size-buffers=1 ! fdsink fd=1 sync=false"
        )
        return shlex.split(f"{_SINK.sub('', self._address.target)} {ending}")

    def _fill(self, target: NDArray[np.uint8], pipe: IO[bytes]) -> None:
        memory = memoryview(target.reshape(-1).data)
        filled = 0
        while filled < len(memory):
            count: int | None = pipe.readinto(memory[filled:])  # type: ignore[attr-defined]  # Popen gives a buffered reader
            if not count:
                raise CameraError(
                    f"sources.{self._name}: the pipeline {self._address.shown} ended;"
                    " try it with gst-launch-1.0, it is started anew"
                )
            filled += count
