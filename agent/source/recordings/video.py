"""Pictures out of a video file, with the file's own times."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agent.errors import ConfigError
from agent.host import load_opencv
from agent.source.sizes import is_too_large

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent.source.buffers import FrameBuffers

logger = logging.getLogger(__name__)

COMPLETE_SHARE: Final = 0.95
"""Some containers only estimate their number of frames; fewer than this share of it means a broken file."""


class VideoFile:
    """Decodes one video from its first frame to its last or to where it breaks off.

    Where the picture size changes midway, OpenCV scales the later pictures to the first size.
    """

    def __init__(self, path: Path, fallback_fps: float, buffers: FrameBuffers) -> None:
        self._path = path
        self._fallback_fps = fallback_fps
        self._buffers = buffers
        self._cv2 = load_opencv()
        self._capture: Any = None
        self._size_px: tuple[int, int] = (0, 0)
        self._gone_by = 0
        self._first_at_s = 0.0
        self._last_at_s = 0.0

    def rewind(self) -> None:
        """Open the file anew: seeking to the start is inexact in some containers.

        Raises:
            ConfigError: The file is not a video that can be decoded.
        """
        self.close()
        capture = self._cv2.VideoCapture(str(self._path), self._cv2.CAP_FFMPEG)
        if not capture.isOpened():
            raise ConfigError(
                f"{self._path} is not a video that can be decoded; check it with a player or record it again"
            )
        self._capture = capture
        self._size_px = (
            int(capture.get(self._cv2.CAP_PROP_FRAME_HEIGHT)),
            int(capture.get(self._cv2.CAP_PROP_FRAME_WIDTH)),
        )
        if is_too_large(*self._size_px):
            self.close()
            raise ConfigError(f"{self._path} has pictures of more than 12 megapixels; make a smaller copy")
        self._gone_by = 0
        self._last_at_s = 0.0

    def advance(self) -> float | None:
        """Decode the next frame; seconds from the first one, None at the end of the readable part."""
        if self._capture is None or not self._capture.grab():
            self._say_if_truncated()
            return None
        at_s = self._time_s()
        self._gone_by += 1
        return at_s

    def picture(self) -> NDArray[np.uint8] | None:
        """Convert the decoded frame; None when it is damaged."""
        if self._capture is None:
            return None
        view = self._buffers.claim(*self._size_px)
        delivered, pixels = self._capture.retrieve(view)
        if not delivered:
            self._gone_by -= 1
            return None
        if pixels is not view:  # the announced size was wrong, so OpenCV made a picture of its own
            del view
            self._size_px = pixels.shape[:2]
            view = self._buffers.store(pixels)
        return view

    def close(self) -> None:
        """Release the decoder."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _time_s(self) -> float:
        # Broken files carry times that stand still or run backwards: such a frame comes one interval
        # after the one before it.
        at_s = self._capture.get(self._cv2.CAP_PROP_POS_MSEC) / 1000.0
        if self._gone_by == 0:
            self._first_at_s = at_s
        since_first_s = float(at_s - self._first_at_s)
        if self._gone_by > 0 and not since_first_s > self._last_at_s:
            fps = self._capture.get(self._cv2.CAP_PROP_FPS)
            since_first_s = self._last_at_s + 1.0 / (fps if fps > 0.0 else self._fallback_fps)
        self._last_at_s = since_first_s
        return since_first_s

    def _say_if_truncated(self) -> None:
        if self._capture is None:
            return
        announced = int(self._capture.get(self._cv2.CAP_PROP_FRAME_COUNT))
        if self._gone_by < announced * COMPLETE_SHARE:
            logger.warning(
                "%s breaks off after %d of about %d frames; copy or record it again",
                self._path,
                self._gone_by,
                announced,
            )
