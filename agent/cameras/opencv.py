"""Live cameras through OpenCV: V4L2 devices, RTSP and HTTP streams."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from difflib import get_close_matches
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agent.cameras import load_opencv
from agent.cameras.address import AddressKind, parse_address, with_credentials
from agent.cameras.buffers import FrameBuffers
from agent.errors import CameraError
from agent.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.cameras.buffers import PictureBuffers
    from agent.settings import OpenCvSource

_REMEDY: Final = {
    AddressKind.V4L2: "check its cable, other users of it, and that the agent is in the group video",
    AddressKind.URL: "check the address, the credentials file and the network",
}

_LOW_DELAY: Final = "fflags;nobuffer|flags;low_delay|fpsprobesize;0"
"""Start with the first picture instead of guessing the frame rate from seconds of buffered ones."""
_OPTIONS_VARIABLE: Final = "OPENCV_FFMPEG_CAPTURE_OPTIONS"


class OpenCvCamera:
    """A V4L2 device or a stream by its URL; pipelines are the business of ``gstreamer``."""

    def __init__(
        self,
        name: str,
        settings: OpenCvSource,
        buffers: PictureBuffers | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock
        self._address = parse_address(settings.device)
        self._buffers = buffers or FrameBuffers()
        self._capture: Any = None
        self._size_px: tuple[int, int] | None = None
        self._index = 0

    @property
    def every_frame(self) -> bool:
        """False: a live camera's old frames are worth nothing."""
        return False

    def open(self) -> None:
        """Find the device anew and ask it for the configured size and rate.

        Raises:
            CameraError: It is absent, busy or doesn't answer.
            ConfigError: The credentials file is unusable.
        """
        self.close()
        cv2 = load_opencv()
        on_a_url = self._address.kind is AddressKind.URL
        capture = self._open_url(cv2) if on_a_url else self._open_device(cv2)
        if not capture.isOpened():
            capture.release()
            remedy = _REMEDY[self._address.kind]
            raise CameraError(f"sources.{self._name}: {self._address.shown} does not open; {remedy}")
        self._capture = capture

    def read(self) -> Frame:
        """Block until the driver hands over the next frame.

        Raises:
            CameraError: The stream broke or timed out.
        """
        asked_at_s = self._clock()
        if self._capture is None or not self._capture.grab() or self._too_late(asked_at_s):
            raise CameraError(
                f"sources.{self._name}: {self._address.shown} stopped delivering; it is reopened"
            )
        captured_at_s = self._clock()
        if self._size_px is None:
            delivered, pixels = self._capture.retrieve()
        else:
            view = self._buffers.claim(*self._size_px)
            delivered, pixels = self._capture.retrieve(view)
        if not delivered or pixels.ndim != 3:  # noqa: PLR2004 - rows, columns, colours
            raise CameraError(f"sources.{self._name}: {self._address.shown} sent no picture; it is reopened")
        if self._size_px is None or pixels is not view:
            # First frame, or the size changed midway: OpenCV made a picture of its own.
            self._size_px = pixels.shape[:2]
            pixels = self._buffers.store(pixels)
        frame = Frame(pixels, captured_at_s, self._name, self._index)
        self._index += 1
        return frame

    def _too_late(self, asked_at_s: float) -> bool:
        # FFmpeg's backend hands out one more old picture after its read timed out.
        return self._clock() - asked_at_s >= self._settings.stall_timeout_s

    def close(self) -> None:
        """Release the device and blacken the buffers."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None
        self._size_px = None
        self._buffers.close()

    def _open_device(self, cv2: Any) -> Any:
        path = Path(self._address.target)
        if not path.exists():
            raise CameraError(f"sources.{self._name}: there is no {path}; {_what_is_there(path)}")
        os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(ceil(self._settings.stall_timeout_s)))
        # Resolved at every opening, because the number behind /dev/v4l/by-id/… changes with each plugging.
        capture = cv2.VideoCapture(str(path.resolve()), cv2.CAP_V4L2)
        if capture.isOpened():
            if self._settings.fourcc is not None:
                capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*self._settings.fourcc))
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._settings.width_px)
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._settings.height_px)
            capture.set(cv2.CAP_PROP_FPS, self._settings.fps)
            # One buffer in the driver: what is read next is what the camera saw last.
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        return capture

    def _open_url(self, cv2: Any) -> Any:
        url = self._address.target
        if self._settings.credentials_file is not None:
            url = with_credentials(url, self._settings.credentials_file)
        patience_ms = int(self._settings.stall_timeout_s * 1000.0)
        parameters = [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
            patience_ms,
            cv2.CAP_PROP_READ_TIMEOUT_MSEC,
            patience_ms,
            # Decoding on several threads holds one picture back per thread.
            cv2.CAP_PROP_N_THREADS,
            1,
        ]
        with _capture_options(f"rtsp_transport;{self._settings.rtsp_transport}|{_LOW_DELAY}"):
            return cv2.VideoCapture(url, cv2.CAP_FFMPEG, parameters)


def _what_is_there(absent: Path) -> str:
    """What to do about a device path that leads nowhere, with the present one that looks most like it."""
    pattern = "video*" if absent.parent == Path("/dev") else "*"
    present = sorted(path.name for path in absent.parent.glob(pattern) if path.exists())
    if not present:
        return "no camera is plugged in, so check its cable"
    nearest = get_close_matches(absent.name, present, n=1, cutoff=0.0)[0]
    return f"the nearest is {absent.parent / nearest}, so correct device or plug the camera in"


@contextmanager
def _capture_options(options: str) -> Iterator[None]:
    """Let OpenCV pass these to FFmpeg. It takes them from the environment only; an operator's own win."""
    if _OPTIONS_VARIABLE in os.environ:
        yield
        return
    os.environ[_OPTIONS_VARIABLE] = options
    try:
        yield
    finally:
        del os.environ[_OPTIONS_VARIABLE]
