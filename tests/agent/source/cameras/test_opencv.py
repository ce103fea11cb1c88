"""The OpenCV camera reads real streams, says in words why it can't, and never shows a password."""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING, Any

import cv2
import pytest

from agent.errors import CameraError, ConfigError
from agent.settings import AddressKind, OpenCvSource, parse_address
from agent.source.cameras.login import read_login, url_with
from agent.source.cameras.opencv import OpenCvCamera
from agent.source.cameras.settings import OpenCvSettings
from agent.source.rest import Rest
from tests.support.clips import number_of
from tests.support.mjpeg_server import MjpegServer, StreamPlan
from tests.support.ports import free_port
from tests.support.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


def camera_at(device: int | str, *, login: str = "", stall_timeout_s: float = DEADLINE_S) -> OpenCvCamera:
    settings = OpenCvSource(type="opencv", device=device, stall_timeout_s=stall_timeout_s)
    return OpenCvCamera("door", OpenCvSettings.of(settings), login=login)


def opens(camera: OpenCvCamera) -> bool:
    """Whether it opens this time; with a short timeout it may not on a busy machine."""
    try:
        camera.open()
    except CameraError:
        return False
    return True


def read_frames(camera: OpenCvCamera, count: int) -> None:
    for _ in range(count):
        camera.read()


@pytest.mark.parametrize(
    ("device", "kind", "target"),
    [
        (0, AddressKind.V4L2, "/dev/video0"),
        ("2", AddressKind.V4L2, "/dev/video2"),
        ("/dev/v4l/by-id/usb-cam-index0", AddressKind.V4L2, "/dev/v4l/by-id/usb-cam-index0"),
        ("rtsp://10.0.0.2/stream", AddressKind.URL, "rtsp://10.0.0.2/stream"),
        ("HTTP://cam/video", AddressKind.URL, "HTTP://cam/video"),
        ("nvarguscamerasrc ! appsink", AddressKind.GSTREAMER, "nvarguscamerasrc ! appsink"),
        (
            "rtspsrc location=rtsp://cam ! appsink",
            AddressKind.GSTREAMER,
            "rtspsrc location=rtsp://cam ! appsink",
        ),
    ],
)
def test_an_address_is_told_apart_by_its_spelling(device: int | str, kind: AddressKind, target: str) -> None:
    address = parse_address(device)
    assert (address.kind, address.target) == (kind, target)


@pytest.mark.parametrize(
    ("device", "shown"),
    [
        ("rtsp://10.0.0.2:8554/live/k3y?channel=1", "rtsp://10.0.0.2:8554"),
        ("HTTPS://{username}:{password}@[fe80::1]/x", "https://[fe80::1]"),
        ("rtspsrc location=rtsp://cam/x ! appsink", "the pipeline"),
        ("/dev/v4l/by-id/usb-cam-index0", "/dev/v4l/by-id/usb-cam-index0"),
    ],
)
def test_of_an_address_scheme_host_and_port_are_shown(device: str, shown: str) -> None:
    assert parse_address(device).shown == shown


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("rtsp://cam:554/x", "rtsp://admin:p%40ss%2Fw%3Ard@cam:554/x"),
        ("rtsp://{username}:{password}@cam/x", "rtsp://admin:p%40ss%2Fw%3Ard@cam/x"),
        ("http://cam/?u={username}&pwd={password}", "http://cam/?u=admin&pwd=p%40ss%2Fw%3Ard"),
    ],
)
def test_credentials_with_special_characters_go_into_the_url_encoded(
    tmp_path: Path, url: str, whole: str
) -> None:
    file = tmp_path / "camera"
    file.write_text("admin:p@ss/w:rd\n")
    assert url_with(url, read_login(file)) == whole


@pytest.mark.parametrize("content", [None, "", "no-colon-s3cret", "a:s3cret\nb:c", ":s3cret"])
def test_an_unusable_credentials_file_is_named_but_never_quoted(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "camera"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match="credentials_file") as caught:
        read_login(file)
    assert str(file) in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_an_http_mjpeg_stream_delivers_rising_frames() -> None:
    with MjpegServer(StreamPlan()) as server:
        camera = camera_at(server.url)
        camera.open()
        seen = []
        for _ in range(5):
            frame = camera.read()
            seen.append((frame.index, number_of(frame.pixels)))
            del frame
        camera.close()
    assert [index for index, _ in seen] == [0, 1, 2, 3, 4]
    first = seen[0][1]
    assert [number for _, number in seen] == list(range(first, first + 5))


def test_a_held_frame_keeps_its_pixels_while_the_camera_goes_on() -> None:
    with MjpegServer(StreamPlan(interval_s=0.005)) as server:
        camera = camera_at(server.url)
        camera.open()
        held = camera.read()
        number = number_of(held.pixels)
        for _ in range(10):
            camera.read()
        camera.close()
        assert number_of(held.pixels) == number


def test_a_stream_that_ends_asks_to_be_reopened_and_delivers_again() -> None:
    with MjpegServer(StreamPlan(frames=6)) as server:
        camera = camera_at(server.url)
        camera.open()
        camera.read()
        with pytest.raises(CameraError, match=r"sources\.door: http://127.*; it is reopened"):
            read_frames(camera, 10)
        camera.close()
        camera.open()
        assert camera.read().index > 1
        camera.close()


def test_a_stream_that_stalls_while_connected_is_given_up_after_the_timeout() -> None:
    with MjpegServer(StreamPlan(stall_after=3)) as server:
        camera = camera_at(server.url, stall_timeout_s=1.0)
        wait_until(lambda: opens(camera), "the stream to open")
        with pytest.raises(CameraError):
            read_frames(camera, 10)
        camera.close()


def test_a_broken_boundary_costs_pictures_but_not_the_camera() -> None:
    with MjpegServer(StreamPlan(broken_boundary_at=3)) as server:
        camera = camera_at(server.url)
        delivered = 0
        for _ in range(3):
            try:
                camera.open()
                for _ in range(10):
                    camera.read()
                    delivered += 1
                break
            except CameraError:
                server.plan.broken_boundary_at = None
        camera.close()
    assert delivered >= 10


def test_of_frames_that_are_passed_over_none_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    decode = cv2.imdecode
    decoded = []

    def counted(data: NDArray[np.uint8], flags: int) -> Any:
        decoded.append(data.size)
        return decode(data, flags)

    monkeypatch.setattr(cv2, "imdecode", counted)
    rest = Rest()
    with MjpegServer(StreamPlan(interval_s=0.01)) as server:
        # Two looks at the clock for each frame that is taken.
        ticks = itertools.count()
        settings = OpenCvSource(type="opencv", device=server.url, stall_timeout_s=DEADLINE_S)
        camera = OpenCvCamera(
            "door", OpenCvSettings.of(settings), rest=rest, clock=lambda: next(ticks) * 0.01
        )
        camera.open()
        first, second = (number_of(camera.read().pixels) for _ in range(2))
        rest.until(next(ticks) * 0.01 + 0.2)
        third = number_of(camera.read().pixels)
        camera.close()
    assert second == first + 1
    assert third > second + 3
    assert len(decoded) == 3


def test_a_garbled_picture_is_left_out_and_the_stream_goes_on() -> None:
    with MjpegServer(StreamPlan(garbled={2, 3, 7})) as server:
        camera = camera_at(server.url)
        camera.open()
        numbers = [number_of(camera.read().pixels) for _ in range(6)]
        camera.close()
    assert not {2, 3, 7} & set(numbers)
    assert numbers == sorted(numbers)


def test_an_absent_device_is_named() -> None:
    with pytest.raises(CameraError, match=r"sources\.door: there is no /dev/v4l/by-id/absent; "):
        camera_at("/dev/v4l/by-id/absent").open()


def test_a_camera_that_was_replaced_by_a_similar_one_is_told_with_its_new_name(tmp_path: Path) -> None:
    """A folder of links such as udev makes stands in for /dev/v4l/by-id."""
    for name in ("usb-Acme_HD_Cam_0002-video-index0", "usb-Other_Microscope-video-index0"):
        (tmp_path / name).symlink_to("/dev/null")
    gone = tmp_path / "usb-Acme_HD_Cam_0001-video-index0"
    with pytest.raises(CameraError, match=r"nearest is .*/usb-Acme_HD_Cam_0002-video-index0, so correct"):
        camera_at(str(gone)).open()


def test_a_link_is_followed_anew_at_every_opening(tmp_path: Path) -> None:
    """A link that appears is tried, though /dev/null behind it is no camera."""
    camera = camera_at(str(tmp_path / "usb-Acme_HD_Cam-video-index0"))
    with pytest.raises(CameraError, match="no camera is plugged in"):
        camera.open()
    (tmp_path / "usb-Acme_HD_Cam-video-index0").symlink_to("/dev/null")
    with pytest.raises(CameraError, match="does not open"):
        camera.open()


def test_a_path_that_is_no_camera_is_named(tmp_path: Path) -> None:
    file = tmp_path / "video9"
    file.write_bytes(b"no device")
    with pytest.raises(CameraError, match="video9 does not open; check its cable"):
        camera_at(str(file)).open()


def test_an_unreachable_stream_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}/stream.mjpg"
    with pytest.raises(CameraError, match="does not open; check the address"):
        camera_at(url).open()


def test_credentials_open_the_stream_and_appear_nowhere(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with MjpegServer(StreamPlan(login="admin:s3cret")) as server:
        camera = camera_at(server.url, login="admin:s3cret")
        camera.open()
        camera.read()
        camera.close()
        with pytest.raises(CameraError) as caught:
            camera_at(server.url, login="admin:wr0ng").open()
    printed = capfd.readouterr()
    for text in (str(caught.value), repr(caught.value), caplog.text, printed.out, printed.err):
        assert "s3cret" not in text
        assert "wr0ng" not in text
