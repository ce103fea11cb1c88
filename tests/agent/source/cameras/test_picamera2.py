"""The CSI camera through a stand-in that follows picamera2's documented interface.

The stand-in answers only what the manual's chapters on configurations and requests describe. It proves
our order of calls, formats and clean-up, not the behaviour of a Raspberry Pi; the test marked `hardware`
asks a real one.
"""

from __future__ import annotations

import concurrent.futures
import sys
import types
from typing import TYPE_CHECKING, Any, Self

import cv2
import numpy as np
import pytest

from agent.errors import CameraError, ConfigError
from agent.settings import Picamera2Source
from agent.source.cameras.picamera2 import Picamera2Camera
from agent.source.cameras.settings import Picamera2Settings
from agent.source.rest import Rest

if TYPE_CHECKING:
    from collections.abc import Iterator


class StandInRequest:
    """A completed request: holds a driver buffer until released."""

    def __init__(self, camera: StandInPicamera2) -> None:
        self.camera = camera
        camera.requests_held += 1

    def release(self) -> None:
        """Give the buffer back to the driver."""
        self.camera.requests_held -= 1


class StandInMappedArray:
    """A view of a stream's buffer: for YUV420 all planes below one another, rows padded to 64 bytes."""

    def __init__(self, request: StandInRequest, stream: str) -> None:
        self._configuration = request.camera.configuration[stream]
        request.camera.mapped.append(stream)

    def __enter__(self) -> Self:
        width, height = self._configuration["size"]
        blue = np.zeros((height, -(-width // 64) * 64, 3), np.uint8)
        blue[:, :width] = (250, 60, 20)
        assert self._configuration["format"] == "YUV420"
        self.array = cv2.cvtColor(blue, cv2.COLOR_BGR2YUV_I420)
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to unmap."""


class StandInPicamera2:
    """One camera at index 0, with the sensor of the second camera module."""

    instances: list[StandInPicamera2]
    sensor_resolution = (3280, 2464)

    def __init__(self, camera_num: int = 0) -> None:
        if camera_num != 0:
            raise IndexError("list index out of range")
        self.configuration: dict[str, Any] = {}
        self.requests_held = 0
        self.mapped: list[str] = []
        self.started = False
        self.closed = False
        self.silent = False
        self.instances.append(self)

    def create_video_configuration(self, **wanted: Any) -> dict[str, Any]:
        """Echo the wishes."""
        return wanted

    def configure(self, configuration: dict[str, Any]) -> None:
        """Take the configuration, if the image processor can make it."""
        sizes = [configuration[stream]["size"] for stream in ("main", "lores")]
        if any(side % 2 for size in sizes for side in size):
            raise RuntimeError("width and height should be even")
        if any(small > large for large, small in zip(*sizes, strict=True)):
            raise RuntimeError("lores stream dimensions may not exceed main stream")
        self.configuration = configuration

    def camera_configuration(self) -> dict[str, Any]:
        """What is in force."""
        return self.configuration

    def start(self) -> None:
        """Start streaming."""
        self.started = True

    def capture_request(self, wait: float) -> StandInRequest:
        """The next completed request, or a timeout after ``wait`` seconds."""
        if self.silent:
            raise concurrent.futures.TimeoutError
        assert wait > 0
        assert self.started
        return StandInRequest(self)

    def close(self) -> None:
        """Release the camera."""
        self.closed = True


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[StandInPicamera2]]:
    module = types.ModuleType("picamera2")
    StandInPicamera2.instances = []
    module.Picamera2 = StandInPicamera2  # type: ignore[attr-defined]
    module.MappedArray = StandInMappedArray  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", module)
    colours = types.ModuleType("libcamera")
    colours.ColorSpace = types.SimpleNamespace(Smpte170m=lambda: "smpte170m")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "libcamera", colours)
    yield StandInPicamera2
    assert all(camera.closed for camera in StandInPicamera2.instances)


def camera(index: int = 0, width_px: int = 320, height_px: int = 240) -> Picamera2Camera:
    source = Picamera2Source(type="picamera2", camera=index, width_px=width_px, height_px=height_px)
    return Picamera2Camera("door", Picamera2Settings.of(source))


@pytest.mark.parametrize(("width_px", "shape"), [(320, (240, 320, 3)), (301, (240, 300, 3))])
def test_frames_come_in_bgr_and_give_their_request_back(
    stand_in: type[StandInPicamera2], width_px: int, shape: tuple[int, ...]
) -> None:
    """Also where the driver pads its rows, and where an odd size was asked for."""
    source = camera(width_px=width_px)
    source.open()
    frames = [source.read() for _ in range(5)]
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert frames[0].pixels.shape == shape
    assert np.abs(frames[0].pixels.astype(int) - (250, 60, 20)).max() <= 4
    assert stand_in.instances[0].requests_held == 0
    source.close()


def test_the_driver_is_asked_for_a_small_yuv_picture_the_rate_and_no_queue_of_old_frames(
    stand_in: type[StandInPicamera2],
) -> None:
    source = camera()
    source.open()
    source.read()
    wanted = stand_in.instances[0].configuration
    assert wanted["lores"] == {"size": (320, 240), "format": "YUV420"}
    assert wanted["colour_space"] == "smpte170m"
    assert wanted["controls"] == {"FrameRate": 15.0}
    assert (wanted["buffer_count"], wanted["queue"]) == (3, False)
    assert stand_in.instances[0].mapped == ["lores"]
    source.close()


@pytest.mark.parametrize(
    ("size_px", "main_px"),
    [((640, 480), (1640, 1230)), ((640, 360), (1640, 922)), ((1920, 1080), (1920, 1080))],
)
def test_a_small_picture_shows_as_much_of_the_scene_as_a_large_one(
    stand_in: type[StandInPicamera2], size_px: tuple[int, int], main_px: tuple[int, int]
) -> None:
    """The main stream asks for half the sensor's resolution, where every sensor sees its whole view."""
    source = camera(width_px=size_px[0], height_px=size_px[1])
    source.open()
    assert stand_in.instances[0].configuration["main"]["size"] == main_px
    source.close()


def test_frames_at_rest_go_back_to_the_driver_unread(stand_in: type[StandInPicamera2]) -> None:
    """A tenth of a second from one request to the next; the last one before the rest's end is read."""
    ticks, rest = iter(range(100)), Rest()
    settings = Picamera2Settings.of(Picamera2Source(type="picamera2"))
    source = Picamera2Camera("door", settings, rest=rest, clock=lambda: next(ticks) / 10)
    source.open()
    assert [source.read().captured_at_s for _ in range(2)] == [0.0, 0.1]
    rest.until(0.65)
    assert [source.read().captured_at_s for _ in range(2)] == [0.6, 0.7]
    (driver,) = stand_in.instances
    assert len(driver.mapped) == 4
    assert driver.requests_held == 0
    source.close()


def test_a_silent_camera_is_given_up_and_released(stand_in: type[StandInPicamera2]) -> None:
    source = camera()
    source.open()
    stand_in.instances[0].silent = True
    with pytest.raises(CameraError, match="stopped delivering"):
        source.read()
    source.close()
    source.open()
    assert source.read().index == 0
    source.close()


@pytest.mark.usefixtures("stand_in")
def test_an_absent_camera_is_named() -> None:
    with pytest.raises(CameraError, match="CSI camera 3 does not start; check its ribbon cable"):
        camera(3).open()


def test_a_system_without_picamera2_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(ConfigError, match="apt install python3-picamera2"):
        camera().open()


@pytest.mark.hardware
def test_the_real_camera_delivers() -> None:
    pytest.importorskip("picamera2")
    source = camera()
    source.open()
    frame = source.read()
    source.close()
    assert (frame.height, frame.width) == (240, 320)
