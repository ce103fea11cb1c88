"""Real video files and pictures for tests, drawn at test time so that the repository holds none."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LEVEL_STEP = 8
"""Grey levels between one numbered picture and the next; far above what lossy codecs change."""


def numbered_picture(number: int, width_px: int = 64, height_px: int = 48) -> NDArray[np.uint8]:
    """An evenly grey picture whose level tells its number (0 to 30)."""
    return np.full((height_px, width_px, 3), number * LEVEL_STEP, np.uint8)


def number_of(pixels: NDArray[np.uint8]) -> int:
    """Reads :func:`numbered_picture` back after a lossy codec."""
    return round(float(pixels.mean()) / LEVEL_STEP)


def write_video(path: Path, frames: int, *, fps: float = 10.0, fourcc: str = "MJPG") -> Path:
    """A video of numbered pictures, written by OpenCV."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*fourcc), fps, (64, 48))
    assert writer.isOpened()
    for number in range(frames):
        writer.write(numbered_picture(number))
    writer.release()
    return path


def write_images(folder: Path, count: int) -> Path:
    """A folder of numbered JPEG pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        assert cv2.imwrite(str(folder / f"{number:03}.jpg"), numbered_picture(number))
    return folder


def ffmpeg(*arguments: str | Path) -> None:
    """Run the ffmpeg program, or skip the calling test where it is not installed."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("the ffmpeg program is not installed (apt install ffmpeg)")
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, timeout=60.0)


def ffmpeg_video(
    path: Path, *options: str, seconds: float = 2.0, size: str = "160x120", fps: int = 10
) -> Path:
    """A moving test picture in any codec that ffmpeg writes."""
    source = f"testsrc2=size={size}:rate={fps}:duration={seconds}"
    ffmpeg("-f", "lavfi", "-i", source, *options, path)
    return path


def truncate(path: Path, share: float) -> Path:
    """Cut a file off after a share of its bytes, as a full disk or a pulled plug does."""
    kept = path.read_bytes()[: int(path.stat().st_size * share)]
    path.write_bytes(kept)
    return path


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine seconds in which one face arrives, then another."""
    pytest.importorskip("skimage", reason="the clip is drawn from scikit-image's astronaut (extra: demo)")
    from agent.synthetic.visits import write_clip  # noqa: PLC0415 - only with the extra

    path = tmp_path_factory.mktemp("clip") / "clip.avi"
    write_clip(path, 9.0)
    return path
