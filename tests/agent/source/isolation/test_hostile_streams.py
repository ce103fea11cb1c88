"""A network camera that sends too much costs its own process some memory, and nobody else anything."""

from __future__ import annotations

import contextlib
import io
import threading
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
import pytest

from agent.errors import CameraError, ConfigError
from agent.settings import OpenCvSource, ReplaySource
from agent.source.isolation import camera as camera_module
from agent.source.isolation.camera import IsolatedCamera
from agent.source.recordings.replay import ReplayCamera
from agent.source.sizes import LARGEST_PART_BYTES, announced_size
from tests.support.clips import ffmpeg, numbered_picture
from tests.support.mjpeg_server import BOUNDARY, MjpegServer, StreamPlan
from tests.support.patience import Patience
from tests.support.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_BYTES: Final = 256_000_000
"""Of a camera process, libraries and shared pictures included."""
BLOCK: Final = bytes(1 << 20)


def jpeg(width_px: int = 64, height_px: int = 48) -> bytes:
    """A small picture whose header says something else; decoders take memory for what it says."""
    data = cv2.imencode(".jpg", numbered_picture(1))[1].tobytes()
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + height_px.to_bytes(2) + width_px.to_bytes(2) + data[at + 4 :]


def png(width_px: int, height_px: int) -> bytes:
    """A whole picture, black, in a thousandth of its bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    head = width_px.to_bytes(4) + height_px.to_bytes(4) + bytes((8, 2, 0, 0, 0))
    packer, packed = zlib.compressobj(9), io.BytesIO()
    for _ in range(height_px):
        packed.write(packer.compress(bytes(1 + 3 * width_px)))
    packed.write(packer.flush())
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(*part) for part in ((b"IHDR", head), (b"IDAT", packed.getvalue()), (b"IEND", b""))
    )


def part(data: bytes, length: int | None = None) -> bytes:
    said = "" if length == 0 else f"Content-Length: {length or len(data)}\r\n"
    return f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\n{said}\r\n".encode() + data + b"\r\n"


def over_and_over(*parts: bytes) -> Iterator[bytes]:
    while True:
        yield from parts


def then_for_ever(*parts: bytes) -> Iterator[bytes]:
    yield from parts
    while True:
        yield BLOCK


GOOD: Final = part(jpeg())
ATTACKS: Final[dict[str, Callable[[], Iterator[bytes]]]] = {
    "a JPEG of 16000x16000": lambda: over_and_over(part(jpeg(16_000, 16_000))),
    "a JPEG of 16000x16000 after good ones": lambda: over_and_over(*[GOOD] * 30, part(jpeg(16_000, 16_000))),
    "a PNG that calls itself JPEG": lambda: over_and_over(GOOD, part(png(8_000, 8_000))),
    "a part of 2 GB": lambda: then_for_ever(*[GOOD] * 30, part(b"\xff\xd8", 2_000_000_000)),
    "a part of 2 GB at once": lambda: then_for_ever(part(b"\xff\xd8", 2_000_000_000)),
    "a part without an end": lambda: then_for_ever(*[GOOD] * 30, part(b"\xff\xd8", 0)),
    "a head without an end": lambda: then_for_ever(*[GOOD] * 30, f"--{BOUNDARY}\r\nX: ".encode()),
    "a picture that is too long": lambda: over_and_over(
        *[GOOD] * 30, part(jpeg()[:-2] + bytes(LARGEST_PART_BYTES) + b"\xff\xd9")
    ),
}


def peak_bytes(process_id: int | None) -> int:
    status = Path(f"/proc/{process_id}/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def camera_at(url: str, stop: threading.Event, stall_timeout_s: float) -> IsolatedCamera:
    settings = OpenCvSource(type="opencv", device=url, stall_timeout_s=stall_timeout_s)
    return IsolatedCamera("door", settings, stop, Patience())


@pytest.mark.camera
@pytest.mark.parametrize("attack", list(ATTACKS))
def test_the_camera_process_keeps_within_its_memory_and_another_camera_goes_on(
    attack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last moments are looked at too: it is asked just before it would be killed."""
    stop, peaks = threading.Event(), []
    killed = camera_module.IsolatedCamera._kill

    def look_and_kill(camera: IsolatedCamera) -> None:
        if camera.process_id is not None:
            peaks.append(peak_bytes(camera.process_id) if camera._process.poll() is None else 0)  # type: ignore[union-attr]
        killed(camera)

    monkeypatch.setattr(IsolatedCamera, "_kill", look_and_kill)
    with (
        MjpegServer(StreamPlan()) as harmless,
        MjpegServer(StreamPlan(raw=ATTACKS[attack])) as hostile,
    ):
        other = camera_at(harmless.url, stop, DEADLINE_S)
        # FFmpeg gives an attack that never becomes a picture up after this time.
        victim = camera_at(hostile.url, stop, 5.0)
        other.open()
        for _ in range(2):
            with contextlib.suppress(CameraError):
                victim.open()
                _ = [victim.read() and None for _ in range(100)]
            peaks.append(0 if victim.process_id is None else peak_bytes(victim.process_id))
            victim.close()
            before = other.read().captured_at_s
            while other.read().captured_at_s <= before:
                pass
        stop.set()
        other.close()
        victim.close()
    print(f"{attack}: {max(peaks) / 1e6:.0f} MB")  # noqa: T201 - shown by pytest -s
    assert 0 < max(peaks) < MOST_BYTES


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "ppm", "webp", "tif"])
def test_the_size_in_a_header_is_the_size_of_the_picture(suffix: str) -> None:
    noise = np.random.default_rng(7).integers(0, 255, (479, 641, 3), np.uint8)
    data = cv2.imencode(f".{suffix}", noise)[1].tobytes()
    assert announced_size(data) == (641, 479)
    for end in range(40):
        size = announced_size(data[:end])
        assert size in {None, (641, 479)}


@pytest.mark.parametrize("options", [[cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 1]])
def test_every_kind_of_jpeg_tells_its_size(options: list[int]) -> None:
    data = cv2.imencode(".jpg", numbered_picture(1, 640, 480), options)[1].tobytes()
    assert announced_size(data) == (640, 480)
    with_comment = data[:2] + b"\xff\xff\xfe\x00\x06\xff\xc0\x00\x01garbage" + data[2:]
    assert announced_size(with_comment) == (640, 480)


@pytest.mark.parametrize("bomb", [png(6_000, 4_000), jpeg(16_000, 16_000)], ids=["PNG", "JPEG"])
def test_a_picture_that_is_too_large_is_skipped_by_its_header_and_named(
    bomb: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cv2.imwrite(str(tmp_path / "b.png"), numbered_picture(1))
    (tmp_path / "a.png").write_bytes(bomb)
    camera = ReplayCamera(
        "clip", ReplaySource(type="replay", path=tmp_path, realtime=False), threading.Event()
    )
    camera.open()
    assert camera.read().width == 64
    camera.close()
    assert "a.png has more than 12 megapixels and is skipped (1 so far)" in caplog.text


@pytest.mark.slow
def test_a_video_whose_pictures_are_too_large_is_refused(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mkv"
    ffmpeg("-f", "lavfi", "-i", "color=black:size=6000x4000:rate=1:duration=1", "-c:v", "mjpeg", clip)
    camera = ReplayCamera("clip", ReplaySource(type="replay", path=clip), threading.Event())
    with pytest.raises(ConfigError, match=r"clip\.mkv has pictures of more than 12 megapixels"):
        camera.open()
