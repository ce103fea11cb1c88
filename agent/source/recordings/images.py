"""Pictures out of a folder of image files, sorted by name."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from agent.domain import LARGEST_PICTURE_PX
from agent.errors import ConfigError
from agent.host import load_opencv
from agent.source.sizes import LARGEST_FILE_BYTES, announced_size, is_too_large

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agent.source.buffers import FrameBuffers

logger = logging.getLogger(__name__)

IMAGE_SUFFIXES: Final = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


class ImageFolder:
    """Decodes the images of one folder at a fixed rate. A broken image is skipped and named once."""

    def __init__(self, path: Path, fps: float, buffers: FrameBuffers) -> None:
        self._path = path
        self._interval_s = 1.0 / fps
        self._buffers = buffers
        self._cv2 = load_opencv()
        self._files: list[Path] = []
        self._next = 0
        self._gone_by = 0
        self._broken: set[Path] = set()

    def rewind(self) -> None:
        """List the folder anew.

        Raises:
            ConfigError: It holds no image files.
        """
        self._files = sorted(
            file for file in self._path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()
        )
        if not self._files:
            raise ConfigError(f"{self._path} holds no images; put .jpg or .png files into it")
        self._next = 0
        self._gone_by = 0

    def advance(self) -> float | None:
        """Go to the next image that may be readable; seconds from the first one, None after the last."""
        while self._next < len(self._files) and self._files[self._next] in self._broken:
            self._next += 1
        if self._next >= len(self._files):
            return None
        self._next += 1
        self._gone_by += 1
        return (self._gone_by - 1) * self._interval_s

    def picture(self) -> NDArray[np.uint8] | None:
        """Decode the image that was gone to; None when it can't be, which then takes no time either."""
        file = self._files[self._next - 1]
        pixels, problem = self._decoded(file)
        if pixels is None:
            self._gone_by -= 1
            self._broken.add(file)
            so_far = len(self._broken)
            logger.warning("%s %s and is skipped (%d so far); replace or remove it", file, problem, so_far)
            return None
        return self._buffers.store(pixels)

    def _decoded(self, file: Path) -> tuple[NDArray[np.uint8] | None, str]:
        """The picture, or why there is none."""
        if file.stat().st_size > LARGEST_FILE_BYTES:
            return None, f"has more than {LARGEST_FILE_BYTES // 1_000_000} MB"
        data = file.read_bytes()
        size = announced_size(data)
        if size is not None and is_too_large(*size):
            return None, f"has more than {LARGEST_PICTURE_PX // 1_000_000} megapixels"
        pixels = None
        if size is not None:
            with suppress(self._cv2.error):
                pixels = self._cv2.imdecode(np.frombuffer(data, np.uint8), self._cv2.IMREAD_COLOR)
        return pixels, "can't be decoded"

    def close(self) -> None:
        """Nothing stays open between images."""
