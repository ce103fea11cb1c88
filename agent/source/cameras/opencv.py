"""Live cameras through OpenCV: V4L2 devices, RTSP and HTTP streams."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agent.errors import CameraError
from agent.frame import Frame
from agent.host import load_opencv
from agent.settings import AddressKind, parse_address
from agent.source.buffers import FrameBuffers, PictureBuffers
from agent.source.cameras.formats import AUTO, FormatMemory, list_formats, open_mode, try_formats
from agent.source.cameras.login import url_with
from agent.source.cameras.v4l2 import CameraMode, what_is_there
from agent.source.rest import Rest
from agent.source.sizes import LARGEST_PART_BYTES, announced_size, is_too_large

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent.source.cameras.settings import OpenCvSettings

_REMEDY: Final = {
    AddressKind.V4L2: "check its cable, other users of it, and that the agent is in the group video",
    AddressKind.URL: "check the address, the credentials file, the network and the size of its pictures",
}

_LOW_DELAY: Final = "fflags;nobuffer|flags;low_delay|fpsprobesize;0"
"""Start with the first picture instead of guessing the frame rate from seconds of buffered ones."""
_OPTIONS_VARIABLE: Final = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_MOTION_JPEG: Final = int.from_bytes(b"MJPG", "little")
_JPEG: Final = b"\xff\xd8"
_AS_IT_COMES: Final = -1
"""Value of CAP_PROP_FORMAT that makes ``retrieve`` hand out the encoded picture."""


class OpenCvCamera:
    """A V4L2 device or a stream by its URL; pipelines are the business of ``gstreamer``."""

    def __init__(
        self,
        name: str,
        settings: OpenCvSettings,
        buffers: PictureBuffers | None = None,
        rest: Rest | None = None,
        *,
        login: str = "",
        memory: FormatMemory | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._clock = clock
        self._settings = settings
        self._login = login
        self._address = parse_address(settings.device)
        self._buffers = buffers or FrameBuffers()
        self._rest = rest or Rest()
        self._cv2: Any = None
        self._capture: Any = None
        self._memory = memory or FormatMemory()
        self._sends_jpegs = False
        self._size_px: tuple[int, int] | None = None
        self._index = 0

    def open(self) -> None:
        """Find the device anew and ask it for the configured size and rate, in the cheapest format.

        Raises:
            CameraError: It is absent, busy or doesn't answer.
        """
        self.close()
        self._cv2 = cv2 = load_opencv()
        on_a_url = self._address.kind is AddressKind.URL
        capture = self._open_url(cv2) if on_a_url else self._open_device(cv2)
        if not capture.isOpened():
            capture.release()
            remedy = _REMEDY[self._address.kind]
            raise CameraError(f"sources.{self._name}: {self._address.shown} does not open; {remedy}")
        self._capture = capture
        self._check_size(capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        # Pictures that nobody looks at then needn't be decoded, as V4L2 does by itself; H.264 needs them all.
        self._sends_jpegs = (
            on_a_url
            and int(capture.get(cv2.CAP_PROP_FOURCC)) == _MOTION_JPEG
            and capture.set(cv2.CAP_PROP_FORMAT, _AS_IT_COMES)
        )

    def read(self) -> Frame:
        """Block until the driver hands over the next frame, but for those passed over at rest.

        Raises:
            CameraError: The stream broke or timed out.
        """
        asked_at_s = self._clock()
        pixels = None
        while pixels is None:
            captured_at_s = self._grab(asked_at_s)
            if not self._rest.covers(captured_at_s):
                pixels = self._decode_jpeg() if self._sends_jpegs else self._retrieve()
        frame = Frame(pixels, captured_at_s, self._name, self._index)
        self._index += 1
        return frame

    def _grab(self, asked_at_s: float) -> float:
        """Take the next frame from the driver; monotonic seconds at which it came."""
        grabbed = self._capture is not None and self._capture.grab()
        # FFmpeg's backend hands out one more old picture after its read timed out.
        if not grabbed or self._clock() - asked_at_s >= self._settings.stall_timeout_s:
            raise CameraError(
                f"sources.{self._name}: {self._address.shown} stopped delivering; it is reopened"
            )
        return self._clock()

    def _retrieve(self) -> NDArray[np.uint8]:
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
            view = self._buffers.store(pixels)
        return view

    def _decode_jpeg(self) -> NDArray[np.uint8] | None:
        """None for one that was garbled on its way; the next one may be whole."""
        delivered, data = self._capture.retrieve()
        encoded = data.tobytes() if delivered and data.size else b""
        size = announced_size(encoded) if encoded.startswith(_JPEG) else None
        if size is None:
            return None
        self._check_size(*size, len(encoded))
        pixels = self._cv2.imdecode(data, self._cv2.IMREAD_COLOR | self._cv2.IMREAD_IGNORE_ORIENTATION)
        return None if pixels is None else self._buffers.store(pixels)

    def _check_size(self, width_px: float, height_px: float, part_bytes: int = 0) -> None:
        if is_too_large(width_px, height_px) or part_bytes > LARGEST_PART_BYTES:
            raise CameraError(
                f"sources.{self._name}: {self._address.shown} sends {width_px:.0f}x{height_px:.0f} pixels"
                f" in {part_bytes} bytes, which is too large; set a smaller size in the camera"
            )

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
            raise CameraError(f"sources.{self._name}: there is no {path}; {what_is_there(path)}")
        os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(ceil(self._settings.stall_timeout_s)))
        # Resolved at every opening, because the number behind /dev/v4l/by-id/… changes with each plugging.
        device = path.resolve()
        return open_mode(cv2, device, self._mode(cv2, device))

    def _mode(self, cv2: Any, device: Path) -> CameraMode:
        settings = self._settings
        wanted = CameraMode(settings.fourcc, settings.width_px, settings.height_px, settings.fps)
        if wanted.fourcc != AUTO:
            return wanted
        offered = list_formats(device, wanted)
        chosen = self._memory.recall(offered)
        if chosen is None:
            trials = try_formats(cv2, device, offered, wanted.fps)
            chosen = next((trial.mode for trial in trials if trial.chosen), wanted)
            self._memory.keep(offered, chosen)
        return chosen

    def _open_url(self, cv2: Any) -> Any:
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
        # OpenCV takes what it passes to FFmpeg from the environment only.
        os.environ[_OPTIONS_VARIABLE] = f"rtsp_transport;{self._settings.rtsp_transport}|{_LOW_DELAY}"
        return cv2.VideoCapture(url_with(self._address.target, self._login), cv2.CAP_FFMPEG, parameters)
