"""Live cameras through OpenCV: V4L2 devices, RTSP and HTTP streams, GStreamer pipelines."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

from agent.cameras import load_opencv
from agent.cameras.buffers import FrameBuffers
from agent.errors import CameraError, ConfigError
from agent.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from agent.settings import OpenCvSource

_URL: Final = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)


class OpenCvCamera:
    """Any device, URL or pipeline that OpenCV opens."""

    def __init__(
        self, name: str, settings: OpenCvSource, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock
        self._shown = public_address(settings.device)
        self._buffers = FrameBuffers()
        self._capture: Any = None
        self._size_px: tuple[int, int] = (settings.height_px, settings.width_px)
        self._index = 0

    @property
    def every_frame(self) -> bool:
        """False: a live camera's old frames are worth nothing."""
        return False

    def open(self) -> None:
        """Find the device anew and ask it for the configured size and rate.

        Raises:
            CameraError: It is absent, busy or doesn't answer.
            ConfigError: This OpenCV can't open such an address at all, or the credentials file is unusable.
        """
        self.close()
        cv2 = load_opencv()
        address, backend, parameters = self._how_to_open(cv2)
        capture = cv2.VideoCapture(address, backend, parameters)
        if not capture.isOpened():
            capture.release()
            raise CameraError(f"sources.{self._name}: {self._shown} does not open; {_REMEDY[backend_kind(self._settings.device)]}")
        self._capture = capture
