"""A V4L2 camera's formats, sizes and rates are read from the driver's own structures."""

from __future__ import annotations

import errno
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.source.cameras import v4l2
from agent.source.cameras.v4l2 import CameraMode, OfferedFormat, asking, offered_formats, what_is_there

if TYPE_CHECKING:
    from collections.abc import Sequence

DISCRETE, CONTINUOUS, STEPWISE = 1, 2, 3


def code(fourcc: str) -> bytes:
    return fourcc.encode()


def u32(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "little") for value in values)


def format_bytes(index: int, fourcc: str, description: str, flags: int = 0) -> bytes:
    """Struct v4l2_fmtdesc, field by field as linux/videodev2.h lays it out: 64 bytes."""
    answer = u32(index, 1, flags) + description.encode().ljust(32, b"\0") + code(fourcc) + u32(0) + bytes(12)
    assert len(answer) == 64
    return answer


def size_bytes(index: int, fourcc: str, kind: int, *numbers: int) -> bytes:
    """Struct v4l2_frmsizeenum: 44 bytes."""
    answer = u32(index) + code(fourcc) + u32(kind) + u32(*numbers).ljust(24, b"\0") + bytes(8)
    assert len(answer) == 44
    return answer


def interval_bytes(index: int, fourcc: str, size: tuple[int, int], kind: int, *numbers: int) -> bytes:
    """Struct v4l2_frmivalenum: 52 bytes."""
    head = u32(index) + code(fourcc) + u32(*size, kind)
    answer = head + u32(*numbers).ljust(24, b"\0") + bytes(8)
    assert len(answer) == 52
    return answer


class RecordedDriver:
    """Answers each question with the structure that was written down for it, as a driver fills it in."""

    def __init__(self, answers: Sequence[bytes], end: int = errno.EINVAL) -> None:
        self._formats = [one for one in answers if len(one) == 64]
        self._others = [one for one in answers if len(one) != 64]
        self._end = end

    def ask(self, request: int, structure: bytearray) -> None:
        """As ``ioctl``; the request's number says which structure it is about and how long that is."""
        assert request >> 30 == 3
        assert request >> 16 & 0x3FFF == len(structure)
        for answer in self._formats if request == 0xC0405602 else self._others:
            if len(answer) == len(structure) and self._asked_for(answer, structure):
                structure[:] = answer
                return
        raise OSError(self._end, "recorded")

    @staticmethod
    def _asked_for(answer: bytes, structure: bytearray) -> bool:
        if len(answer) == 64:
            return answer[:8] == structure[:8]
        asked = 20 if len(answer) == 52 else 8  # index, format and, for a rate, the size
        return answer[: min(asked, 16)] == structure[: min(asked, 16)]


WEBCAM = (
    # A common USB camera: raw pictures in small sizes or slowly, Motion-JPEG in all.
    format_bytes(0, "YUYV", "YUYV 4:2:2"),
    size_bytes(0, "YUYV", DISCRETE, 640, 480),
    size_bytes(1, "YUYV", DISCRETE, 160, 90),
    size_bytes(2, "YUYV", DISCRETE, 1280, 720),
    interval_bytes(0, "YUYV", (640, 480), DISCRETE, 1, 30),
    interval_bytes(1, "YUYV", (640, 480), DISCRETE, 1, 24),
    interval_bytes(2, "YUYV", (640, 480), DISCRETE, 1, 15),
    interval_bytes(3, "YUYV", (640, 480), DISCRETE, 2, 15),
    interval_bytes(0, "YUYV", (1280, 720), DISCRETE, 1, 10),
    interval_bytes(1, "YUYV", (1280, 720), DISCRETE, 1, 5),
    format_bytes(1, "MJPG", "Motion-JPEG", flags=1),
    size_bytes(0, "MJPG", DISCRETE, 640, 480),
    size_bytes(1, "MJPG", DISCRETE, 1920, 1080),
    size_bytes(2, "MJPG", DISCRETE, 1280, 720),
    interval_bytes(0, "MJPG", (640, 480), DISCRETE, 333333, 10_000_000),
    interval_bytes(1, "MJPG", (640, 480), DISCRETE, 1, 20),
    interval_bytes(0, "MJPG", (1280, 720), DISCRETE, 1, 30),
)


def modes(answers: Sequence[bytes], width_px: int, height_px: int, fps: float) -> list[CameraMode]:
    driver = RecordedDriver(answers)
    return [offered.mode for offered in offered_formats(driver.ask, width_px, height_px, fps)]


def test_request_numbers_are_those_of_the_kernels_header() -> None:
    """As the C compiler prints them on x86-64 and on 64-bit ARM."""
    assert (v4l2.ENUM_FORMATS, v4l2.ENUM_SIZES, v4l2.ENUM_INTERVALS) == (0xC0405602, 0xC02C564A, 0xC034564B)


def test_formats_come_with_the_drivers_words_and_whether_they_are_compressed() -> None:
    found = offered_formats(RecordedDriver(WEBCAM).ask, 640, 480, 15.0)
    assert found == (
        OfferedFormat(CameraMode("YUYV", 640, 480, 15.0), "YUYV 4:2:2", compressed=False),
        OfferedFormat(CameraMode("MJPG", 640, 480, 20.0), "Motion-JPEG", compressed=True),
    )


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ((640, 480, 15.0), [(640, 480, 15.0), (640, 480, 20.0)]),
        ((640, 480, 7.5), [(640, 480, 7.5), (640, 480, 20.0)]),
        ((640, 480, 16.0), [(640, 480, 24.0), (640, 480, 20.0)]),
        ((640, 480, 60.0), [(640, 480, 30.0), (640, 480, 30.0)]),
        ((800, 600, 30.0), [(1280, 720, 10.0), (1280, 720, 30.0)]),
        ((320, 240, 15.0), [(640, 480, 15.0), (640, 480, 20.0)]),
    ],
)
def test_the_smallest_size_that_holds_and_the_lowest_rate_that_reaches_the_wish_are_taken(
    wanted: tuple[int, int, float], expected: list[tuple[int, int, float]]
) -> None:
    found = [(mode.width_px, mode.height_px, mode.fps) for mode in modes(WEBCAM, *wanted)]
    assert [size for *size, _ in found] == [size for *size, _ in expected]
    assert [fps for *_, fps in found] == pytest.approx([fps for *_, fps in expected], abs=0.01)


def test_a_wish_beyond_all_sizes_gets_the_largest() -> None:
    assert [(mode.width_px, mode.height_px) for mode in modes(WEBCAM, 3840, 2160, 5.0)] == [
        (1280, 720),
        (1920, 1080),
    ]


STEPPED = (
    format_bytes(0, "NV12", "Y/UV 4:2:0"),
    size_bytes(0, "NV12", STEPWISE, 32, 2592, 16, 32, 1944, 2),
    *(
        interval_bytes(0, "NV12", size, CONTINUOUS, 1, 90, 1, 1, 1, 90)
        for size in [(640, 480), (656, 482), (32, 32), (2592, 1944)]
    ),
)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ((640, 480, 15.0), CameraMode("NV12", 640, 480, 15.0)),
        ((641, 481, 120.0), CameraMode("NV12", 656, 482, 90.0)),
        ((10, 10, 0.5), CameraMode("NV12", 32, 32, 1.0)),
        ((4000, 4000, 15.0), CameraMode("NV12", 2592, 1944, 15.0)),
    ],
)
def test_ranges_of_sizes_and_rates_are_kept_to(wanted: tuple[int, int, float], expected: CameraMode) -> None:
    assert modes(STEPPED, *wanted) == [expected]


@pytest.mark.parametrize("end", [errno.EINVAL, errno.ENOTTY, errno.ENODATA])
def test_a_driver_without_lists_of_sizes_and_rates_is_asked_for_what_is_wanted(end: int) -> None:
    driver = RecordedDriver([format_bytes(0, "YUYV", "YUYV 4:2:2")], end)
    (found,) = offered_formats(driver.ask, 640, 480, 15.0)
    assert found.mode == CameraMode("YUYV", 640, 480, 15.0)


def test_a_node_without_pictures_offers_nothing() -> None:
    """Such as the metadata node that comes with every USB camera."""
    assert offered_formats(RecordedDriver([]).ask, 640, 480, 15.0) == ()


def test_a_driver_that_fails_in_another_way_is_not_taken_for_the_end_of_its_list() -> None:
    with pytest.raises(OSError, match="recorded"):
        offered_formats(RecordedDriver([], errno.EIO).ask, 640, 480, 15.0)


def test_a_driver_that_never_ends_its_list_is_not_asked_for_ever() -> None:
    def ask(_request: int, structure: bytearray) -> None:
        structure[:] = struct.pack("=I", 0) + bytes(len(structure) - 4)

    assert 0 < len(offered_formats(ask, 640, 480, 15.0)) < 1000


@given(st.binary(min_size=64, max_size=64), st.binary(min_size=44, max_size=44), st.binary(min_size=52))
def test_nonsense_from_a_driver_is_no_crash(described: bytes, size: bytes, interval: bytes) -> None:
    answers = iter([described, size, interval[:52]])

    def ask(_request: int, structure: bytearray) -> None:
        answer = next(answers, None)
        if answer is None or len(answer) != len(structure):
            raise OSError(errno.EINVAL, "end")
        structure[:] = answer

    for found in offered_formats(ask, 640, 480, 15.0):
        assert len(found.mode.fourcc) == 4
        assert found.mode.fps >= 0.0


def test_a_file_that_is_no_device_offers_nothing(tmp_path: Path) -> None:
    (tmp_path / "video0").touch()
    with asking(tmp_path / "video0") as ask:
        assert offered_formats(ask, 640, 480, 15.0) == ()


def test_the_present_name_that_looks_most_like_an_absent_one_is_told(tmp_path: Path) -> None:
    for name in ("usb-Acme_HD_Cam_0002-video-index0", "usb-Other_Microscope-video-index0"):
        (tmp_path / name).touch()
    words = what_is_there(tmp_path / "usb-Acme_HD_Cam_0001-video-index0")
    assert words.startswith(f"the nearest is {tmp_path}/usb-Acme_HD_Cam_0002-video-index0, so ")


@pytest.mark.hardware
def test_a_real_camera_tells_its_formats() -> None:
    node = next(iter(sorted(Path("/dev").glob("video*"))), None)
    if node is None:
        pytest.skip("no /dev/video* on this machine")
    with asking(node) as ask:
        found = offered_formats(ask, 640, 480, 15.0)
    assert found
    assert all(one.mode.fps > 0.0 for one in found)
