"""A GStreamer pipeline delivers BGR pictures in the configured size, and is named when broken."""

from __future__ import annotations

import ctypes.util
import itertools
import threading
from typing import TYPE_CHECKING

import pytest

from agent.errors import CameraError, ConfigError
from agent.settings import OpenCvSource
from agent.source.cameras import pipeline
from agent.source.cameras.gstreamer import GStreamerCamera
from agent.source.cameras.settings import OpenCvSettings
from agent.source.isolation.camera import IsolatedCamera
from agent.source.rest import Rest
from tests.support.patience import Patience
from tests.support.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.camera

needs_gstreamer = pytest.mark.skipif(
    ctypes.util.find_library("gstapp-1.0") is None, reason="GStreamer is not installed"
)

RED = "videotestsrc pattern=red is-live=true ! video/x-raw,width=320,height=240,framerate=30/1"


def settings_for(text: str, width_px: int = 320, height_px: int = 240) -> OpenCvSource:
    return OpenCvSource(
        type="opencv", device=text, width_px=width_px, height_px=height_px, stall_timeout_s=DEADLINE_S
    )


def pictures_of(camera: GStreamerCamera, count: int) -> None:
    camera.open()
    for _ in range(count):
        camera.read()


@pytest.fixture
def rest() -> Rest:
    return Rest()


@pytest.fixture
def red(rest: Rest) -> Iterator[GStreamerCamera]:
    camera = GStreamerCamera("door", OpenCvSettings.of(settings_for(f"{RED} ! appsink drop=1")), rest=rest)
    camera.open()
    yield camera
    camera.close()


@needs_gstreamer
def test_pictures_come_in_bgr_with_rising_indices(red: GStreamerCamera) -> None:
    frames = [red.read() for _ in range(4)]
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert {frame.pixels.shape for frame in frames} == {(240, 320, 3)}
    blue_green_red = frames[-1].pixels[120, 160].tolist()
    assert blue_green_red[2] > 240
    assert max(blue_green_red[:2]) < 15


@needs_gstreamer
@pytest.mark.parametrize("size", [(322, 242), (101, 77), (640, 480)])
def test_pictures_are_scaled_to_the_configured_size_whatever_the_row_padding(size: tuple[int, int]) -> None:
    """Rows of 322 or 101 pixels are padded on the way; a wrong stride would skew the picture."""
    bars = "videotestsrc pattern=smpte is-live=true ! video/x-raw,width=320,height=240"
    camera = GStreamerCamera("door", OpenCvSettings.of(settings_for(f"{bars} ! appsink", *size)))
    camera.open()
    frame = camera.read()
    camera.close()
    assert (frame.width, frame.height) == size
    upper = frame.pixels[2 : frame.height // 2]
    assert int(abs(upper[0].astype(int) - upper[-1]).max()) < 24  # vertical bars stay vertical


@needs_gstreamer
def test_a_held_frame_keeps_its_pixels(red: GStreamerCamera) -> None:
    held = red.read()
    before = held.pixels.copy()
    held.pixels[0, 0] = (1, 2, 3)
    for _ in range(10):
        red.read()
    assert held.pixels[0, 0].tolist() == [1, 2, 3]
    assert (held.pixels[1:] == before[1:]).all()


@needs_gstreamer
def test_pictures_are_passed_over_at_rest(rest: Rest) -> None:
    """Of the fifteen that half a second brings, only the last comes through."""
    ticks = itertools.count()
    settings = OpenCvSettings.of(settings_for(f"{RED} ! appsink"))
    camera = GStreamerCamera("door", settings, rest=rest, clock=lambda: next(ticks) / 30.0)
    camera.open()
    second_s = [camera.read().captured_at_s for _ in range(2)][1]
    rest.until(second_s + 0.5)
    third_s, fourth_s = (camera.read().captured_at_s for _ in range(2))
    camera.close()
    assert third_s == pytest.approx(second_s + 14.0 / 30.0)
    assert fourth_s == pytest.approx(second_s + 15.0 / 30.0)


@needs_gstreamer
@pytest.mark.parametrize(
    "text",
    [
        "videotestsrc num-buffers=3 ! appsink",
        "filesrc location=/absent ! decodebin ! appsink",
        "nosuchelement ! appsink",
        "videotestsrc nosuchproperty=1 ! appsink",
        "videotestsrc ! ! appsink",
        "videotestsrc pattern='red ! appsink",
    ],
)
def test_a_pipeline_that_ends_or_never_starts_is_named(text: str) -> None:
    camera = GStreamerCamera("door", OpenCvSettings.of(settings_for(text)))
    with pytest.raises(CameraError, match=r"sources\.door: the pipeline ended; try it with gst-launch"):
        pictures_of(camera, 10)
    camera.close()


def test_a_system_without_gstreamer_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "_LIBRARY", "libnowhere.so.0")
    pipeline.load_gstreamer.cache_clear()
    with pytest.raises(ConfigError, match=r"apt install gstreamer1\.0-plugins-base"):
        GStreamerCamera("door", OpenCvSettings.of(settings_for(f"{RED} ! appsink"))).open()


@needs_gstreamer
def test_a_pipeline_runs_in_the_camera_process_and_ends_with_it() -> None:
    stop = threading.Event()
    camera = IsolatedCamera("door", settings_for(f"{RED} ! appsink"), stop, Patience())
    camera.open()
    frame = camera.read()
    assert frame.pixels[120, 160, 2] > 240
    stop.set()
    camera.close()
    assert camera.process_id is None
