"""The CSI camera through a stand-in that follows picamera2's documented interface.

The stand-in answers only what the manual's chapters on configurations and requests describe. It proves
our order of calls, formats and clean-up, not the behaviour of a Raspberry Pi; the test marked `hardware`
asks a real one.
"""

from __future__ import annotations

import concurrent.futures
import sys
import types
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from agent.cameras.picamera2 import Picamera2Camera
from agent.errors import CameraError, ConfigError
from agent.settings import Picamera2Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


class StandInRequest:
    """A completed request: holds a driver buffer until released."""

    def __init__(self, camera: StandInPicamera2) -> None:
        self._camera = camera
        camera.requests_held += 1

    def make_array(self, name: str) -> NDArray[np.uint8]:
        """A fresh H×W×3 array, as picamera2 makes for its format RGB888."""
        width, height = self._camera.configuration[name]["size"]
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[:, :, 0] = 250
        return pixels

    def release(self) -> None:
        """Give the buffer back to the driver."""
        self._camera.requests_held -= 1


class StandInPicamera2:
    """One camera at index 0."""

    instances: list[StandInPicamera2]

    def __init__(self, camera_num: int = 0) -> None:
        if camera_num != 0:
            raise IndexError("list index out of range")
        self.configuration: dict[str, Any] = {}
        self.requests_held = 0
        self.started = False
        self.closed = False
        self.silent = False
        self.instances.append(self)

    def create_video_configuration(self, **wanted: Any) -> dict[str, Any]:
        """Echo the wishes; the real one aligns sizes."""
        return wanted

    def configure(self, configuration: dict[str, Any]) -> None:
        """Take the configuration."""
        self.configuration = configuration

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
    monkeypatch.setitem(sys.modules, "picamera2", module)
    yield StandInPicamera2
    assert all(camera.closed for camera in StandInPicamera2.instances)


def camera(index: int = 0) -> Picamera2Camera:
    return Picamera2Camera(
        "door", Picamera2Source(type="picamera2", camera=index, width_px=320, height_px=240)
    )


def test_frames_come_in_bgr_and_give_their_request_back(stand_in: type[StandInPicamera2]) -> None:
    source = camera()
    source.open()
    frames = [source.read() for _ in range(5)]
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert frames[0].pixels.shape == (240, 320, 3)
    assert frames[0].pixels[0, 0].tolist() == [250, 0, 0]
    assert stand_in.instances[0].requests_held == 0
    source.close()


def test_the_driver_is_asked_for_bgr_the_rate_and_no_queue_of_old_frames(
    stand_in: type[StandInPicamera2],
) -> None:
    source = camera()
    source.open()
    wanted = stand_in.instances[0].configuration
    assert wanted["main"] == {"size": (320, 240), "format": "RGB888"}
    assert wanted["controls"] == {"FrameRate": 15.0}
    assert wanted["queue"] is False
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
