"""Raspberry Pi CSI cameras through picamera2, which the operating system provides (python3-picamera2)."""

from __future__ import annotations

import time
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from agent.cameras.buffers import FrameBuffers
from agent.errors import CameraError, ConfigError
from agent.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.cameras.buffers import PictureBuffers
    from agent.settings import Picamera2Source

DRIVER_BUFFERS: Final = 3
"""libcamera keeps one filling, one ready and one in our hands; more only adds delay and memory."""


class Picamera2Camera:
    """One CSI camera. The sensor's processor scales and converts; the CPU copies once."""

    def __init__(
        self,
        name: str,
        settings: Picamera2Source,
        buffers: PictureBuffers | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock
        self._buffers = buffers or FrameBuffers()
        self._camera: Any = None
        self._index = 0

    @property
    def every_frame(self) -> bool:
        """False: a live camera's old frames are worth nothing."""
        return False

    def open(self) -> None:
        """Acquire and start the camera.

        Raises:
            ConfigError: picamera2 is not installed.
            CameraError: No such camera, or it is busy.
        """
        self.close()
        try:
            from picamera2 import Picamera2  # noqa: PLC0415 - exists on a Raspberry Pi only
        except ImportError as error:
            raise ConfigError(
                f"sources.{self._name}.type: picamera2 is not installed;"
                " run apt install python3-picamera2 and let the agent's venv see system packages"
            ) from error
        try:
            self._camera = Picamera2(self._settings.camera)
            self._start()
        except (RuntimeError, IndexError, OSError) as error:
            self.close()
            raise CameraError(
                f"sources.{self._name}: CSI camera {self._settings.camera} does not start;"
                " check its ribbon cable and that no other program uses it"
            ) from error

    def _start(self) -> None:
        size_px = (self._settings.width_px, self._settings.height_px)
        # picamera2 names formats from the last byte to the first: its "RGB888" is our BGR.
        configuration = self._camera.create_video_configuration(
            main={"size": size_px, "format": "RGB888"},
            controls={"FrameRate": self._settings.fps},
            buffer_count=DRIVER_BUFFERS,
            queue=False,
        )
        self._camera.configure(configuration)
        self._camera.start()

    def read(self) -> Frame:
        """Block until the next frame, at most ``stall_timeout_s``.

        Raises:
            CameraError: None came in time.
        """
        if self._camera is None:
            raise CameraError(f"sources.{self._name}: the CSI camera is closed; it is reopened")
        try:
            request = self._camera.capture_request(wait=self._settings.stall_timeout_s)
        except (FutureTimeoutError, RuntimeError) as error:
            raise CameraError(
                f"sources.{self._name}: the CSI camera stopped delivering; it is reopened"
            ) from error
        try:
            captured_at_s = self._clock()
            pixels = request.make_array("main")
            view = self._buffers.claim(*pixels.shape[:2])
            np.copyto(view, pixels[:, :, :3])
        finally:
            request.release()
        frame = Frame(view, captured_at_s, self._name, self._index)
        self._index += 1
        return frame

    def close(self) -> None:
        """Stop and release the camera and blacken the buffers."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None
        self._buffers.close()
