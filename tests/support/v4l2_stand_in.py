"""Video4Linux without a kernel module: a library that is preloaded into a process and plays the device."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SOURCE = Path(__file__).with_suffix(".c")
COLOURS = (40, 120, 200)
"""Blue, green and red of the picture that every format shows."""

_logs: dict[Path, tuple[int, list[list[str]]]] = {}
"""Read ends by the device's folder, with the lines read so far."""


@dataclass(frozen=True)
class PlayedFormat:
    """A line of the device's table."""

    fourcc: str
    offered_fps: float = 15.0
    delivered_fps: float = 15.0
    width_px: int = 640
    height_px: int = 480


MJPG = PlayedFormat("MJPG")
YUYV = PlayedFormat("YUYV")
UNREADABLE = PlayedFormat("H264")


def slow(played: PlayedFormat, fps: float) -> PlayedFormat:
    """The same format over a link that carries fewer frames than the driver says."""
    return replace(played, delivered_fps=fps)


@cache
def library() -> Path:
    """Compile the stand-in into the tests' home, or skip the calling test where nothing compiles it."""
    if shutil.which("cc") is None or not Path("/usr/include/linux/videodev2.h").exists():
        pytest.skip(
            "the V4L2 stand-in needs a C compiler and the kernel's headers (apt install gcc libc6-dev)"
        )
    built = Path(mkdtemp(dir=os.environ["HOME"])) / "stand_in.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", built, SOURCE], check=True, timeout=60.0)
    return built


def install(
    folder: Path, *formats: PlayedFormat, pictures: Sequence[NDArray[np.uint8]] | None = None
) -> dict[str, str]:
    """Lay out a device in a folder.

    Args:
        folder: For its files.
        formats: In the driver's order.
        pictures: H×W×3 BGR of the formats' size, shown in turns; None is one of :data:`COLOURS`.

    Returns:
        The environment of a process that finds it as ``LIBV4L_STAND_IN``.
    """
    lines = []
    for played in formats:
        file = folder / f"{played.fourcc}.frames"
        compressed = played.fourcc in {"MJPG", "H264"}
        plain = np.full((played.height_px, played.width_px, 3), COLOURS, np.uint8)
        frames = [_encoded(picture, compressed=compressed) for picture in pictures or [plain]]
        file.write_bytes(b"".join(len(frame).to_bytes(4, sys.byteorder) + frame for frame in frames))
        size = f"{played.width_px} {played.height_px}"
        lines.append(
            f"{played.fourcc} {int(compressed)} {size} {played.offered_fps} {played.delivered_fps} {file}\n"
        )
    (folder / "formats").write_text("".join(lines))
    (folder / "video0").touch()
    # A pipe, because a camera process may write no file; held open here, so that nothing in it is lost.
    os.mkfifo(folder / "log")
    _logs[folder] = (os.open(folder / "log", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC), [])
    return {
        "LD_PRELOAD": str(library()),
        "LIBV4L_STAND_IN": str(folder / "video0"),
        "LIBV4L_STAND_IN_MODES": str(folder / "formats"),
        "LIBV4L_STAND_IN_LOG": str(folder / "log"),
    }


def _encoded(picture: NDArray[np.uint8], *, compressed: bool) -> bytes:
    if compressed:
        return cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, 85))[1].tobytes()
    return cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_YUYV).tobytes()


def asked(folder: Path, what: str) -> list[tuple[str, int]]:
    """What the device was asked for, in order: ``format`` or ``buffers``, with the format then in force."""
    descriptor, lines = _logs[folder]
    with contextlib.suppress(BlockingIOError):
        while text := os.read(descriptor, 1 << 16):
            lines += [line.split() for line in text.decode().splitlines()]
    return [(name, int(number)) for kind, name, number in lines if kind == what]
