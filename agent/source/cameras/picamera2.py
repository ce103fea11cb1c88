"""Raspberry Pi CSI cameras through picamera2, which the operating system provides (python3-picamera2)."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from agent.errors import CameraError, ConfigError
from agent.frame import Frame
from agent.host import load_opencv
from agent.source.buffers import FrameBuffers, PictureBuffers
from agent.source.rest import Rest

if TYPE_CHECKING:
    from agent.source.cameras.settings import Picamera2Settings

DRIVER_BUFFERS: Final = 3
"""libcamera keeps one filling, one ready and one in our hands; more only adds delay and memory."""
STREAM: Final = "lores"
"""The smaller of the two pictures that the image processor makes of each frame."""


class Picamera2Camera:
    """One CSI camera. Its image processor scales; the CPU's only pass over a frame turns it into BGR.

    The pictures come as YUV 4:2:0, half the bytes of BGR, and are converted straight into the buffer that the
    agent reads. Frames that nobody looks at go back to the driver untouched.
    """

    def __init__(
        self,
        name: str,
        settings: Picamera2Settings,
        buffers: PictureBuffers | None = None,
        rest: Rest | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock
        self._buffers = buffers or FrameBuffers()
        self._rest = rest or Rest()
        self._cv2 = load_opencv()
        self._mapped: Any = None
        self._camera: Any = None
        # Width and height; the image processor makes even ones only.
        self._size_px = (settings.width_px & ~1, settings.height_px & ~1)
        self._index = 0

    def open(self) -> None:
        """Acquire and start the camera.

        Raises:
            ConfigError: picamera2 is not installed.
            CameraError: No such camera, or it is busy.
        """
        self.close()
        try:
            from libcamera import (  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415 - on a Pi only
                ColorSpace,
            )
            from picamera2 import MappedArray, Picamera2  # noqa: PLC0415 - likewise
        except ImportError as error:
            raise ConfigError(
                f"sources.{self._name}.type: picamera2 is not installed;"
                " run apt install python3-picamera2 and let the agent's venv see system packages"
            ) from error
        try:
            self._mapped = MappedArray
            self._camera = Picamera2(self._settings.camera)
            # The colours that OpenCV's conversion expects.
            self._start(ColorSpace.Smpte170m())
        except (RuntimeError, IndexError, OSError) as error:
            self.close()
            raise CameraError(
                f"sources.{self._name}: CSI camera {self._settings.camera} does not start;"
                " check its ribbon cable and that no other program uses it"
            ) from error

    def _start(self, colours: Any) -> None:
        configuration = self._camera.create_video_configuration(
            main={"size": self._whole_view_px(), "format": "YUV420"},
            lores={"size": self._size_px, "format": "YUV420"},
            colour_space=colours,
            controls={"FrameRate": self._settings.fps},
            buffer_count=DRIVER_BUFFERS,
            queue=False,
        )
        self._camera.configure(configuration)
        # What the image processor made of the wish.
        self._size_px = self._camera.camera_configuration()[STREAM]["size"]
        self._camera.start()

    def _whole_view_px(self) -> tuple[int, int]:
        """Size of the main stream, which nobody reads: it decides how much of the sensor is seen.

        Asked for a small picture alone, libcamera cuts it out of the sensor's middle where the sensor can.
        All of Raspberry Pi's sensors see everything at half their resolution. Both streams have one shape,
        because the image processor would distort the smaller one otherwise.
        """
        sensor_px = self._camera.sensor_resolution
        scale = min(whole / 2 / wanted for whole, wanted in zip(sensor_px, self._size_px, strict=True))
        width_px, height_px = (int(max(1.0, scale) * side) & ~1 for side in self._size_px)
        return width_px, height_px

    def read(self) -> Frame:
        """Block until the next frame, at most ``stall_timeout_s``, but for those passed over at rest.

        Raises:
            CameraError: None came in time.
        """
        view = None
        while view is None:
            request = self._next_request()
            try:
                captured_at_s = self._clock()
                if not self._rest.covers(captured_at_s):
                    view = self._converted(request)
            finally:
                request.release()
        frame = Frame(view, captured_at_s, self._name, self._index)
        self._index += 1
        return frame

    def _next_request(self) -> Any:
        if self._camera is None:
            raise CameraError(f"sources.{self._name}: the CSI camera is closed; it is reopened")
        try:
            return self._camera.capture_request(wait=self._settings.stall_timeout_s)
        except (FutureTimeoutError, RuntimeError) as error:
            raise CameraError(
                f"sources.{self._name}: the CSI camera stopped delivering; it is reopened"
            ) from error

    def _converted(self, request: Any) -> NDArray[np.uint8]:
        width_px, height_px = self._size_px
        view = self._buffers.claim(height_px, width_px)
        with self._mapped(request, STREAM) as mapped:
            planes = mapped.array
            # Rows are padded where the width is no multiple of what the image processor likes.
            if planes.shape[1] == width_px:
                self._cv2.cvtColor(planes, self._cv2.COLOR_YUV2BGR_I420, dst=view)
            else:
                padded = self._cv2.cvtColor(planes, self._cv2.COLOR_YUV2BGR_I420)
                np.copyto(view, padded[:, :width_px])
                padded.fill(0)
        return view

    def close(self) -> None:
        """Stop and release the camera and blacken the buffers."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None
        self._buffers.close()
