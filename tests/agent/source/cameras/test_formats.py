"""Of a V4L2 camera's formats the cheapest that keeps up is taken, by measurement, the others are explained.

The device is a stand-in behind the system calls: OpenCV's V4L2 driver and decoders are the real ones.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import CameraError
from agent.settings import OpenCvSource
from agent.source.cameras.formats import KEEPS_UP_SHARE, FormatMemory, FormatTrial, decide
from agent.source.cameras.v4l2 import CameraMode, OfferedFormat
from agent.source.isolation.camera import IsolatedCamera
from agent.source.isolation.slots import SLOTS
from tests.support.patience import Patience
from tests.support.v4l2_stand_in import COLOURS, MJPG, UNREADABLE, YUYV, asked, install, slow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.v4l2_stand_in import PlayedFormat

TRY = """
import ctypes, json, sys
from dataclasses import asdict
from pathlib import Path
from agent.host.opencv import load_opencv
from agent.source.cameras.formats import list_formats, try_formats
from agent.source.cameras.v4l2 import CameraMode
device, cv2 = Path(sys.argv[1]), load_opencv()
offered = list_formats(device, CameraMode("auto", 640, 480, 15.0))
clock = getattr(ctypes.CDLL(None), "stand_in_s", None)  # of the pictures played, however late they are taken
if clock is not None:
    clock.restype = ctypes.c_double
trials = try_formats(cv2, device, offered, 15.0, **({} if clock is None else {"clock": clock}))
print(json.dumps([asdict(trial) for trial in trials]))
"""


def trial(fourcc: str, fps: float | None, cpu_ms: float | None, verdict: str = "") -> FormatTrial:
    return FormatTrial(
        CameraMode(fourcc, 640, 480, 15.0), fourcc, fourcc == "MJPG", fps, cpu_ms, verdict=verdict
    )


def try_all(folder: Path, *formats: PlayedFormat) -> dict[str, dict[str, Any]]:
    """Rows by format, from a process that has the stand-in."""
    environment = {**os.environ, **install(folder, *formats)}
    command = [sys.executable, "-c", TRY, str(folder / "video0")]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60.0)
    return {row["mode"]["fourcc"]: row for row in json.loads(done.stdout)}


def test_the_cheapest_format_that_keeps_up_is_chosen_and_the_others_are_explained() -> None:
    trials = [
        trial("YUYV", 7.5, 0.3),
        trial("MJPG", 15.1, 1.4),
        trial("NV12", 15.0, 0.7),
        trial("H264", None, None, "can't be read"),
    ]
    rows = {row.mode.fourcc: row for row in decide(trials, 15.0)}
    assert rows["YUYV"].verdict == "delivers 7.5 of 15 frames a second"
    assert rows["MJPG"].verdict == "costs 2.0 times as much processor time"
    assert rows["NV12"].verdict == "chosen: costs least of those that keep up"
    assert rows["H264"].verdict == "can't be read"
    assert [row.mode.fourcc for row in rows.values() if row.chosen] == ["NV12"]


def test_in_the_dark_where_no_format_keeps_up_the_cheapest_of_the_fast_ones_is_chosen() -> None:
    rows = decide([trial("YUYV", 7.4, 0.3), trial("MJPG", 7.5, 1.4), trial("NV12", 3.0, 0.2)], 15.0)
    assert [row.chosen for row in rows] == [True, False, False]


FIGURES = st.tuples(st.floats(0.5, 120.0), st.floats(0.001, 100.0), st.booleans())


@given(st.lists(FIGURES, max_size=8), st.floats(1.0, 120.0))
def test_whatever_was_measured_one_is_chosen_that_no_other_beats(
    figures: list[tuple[float, float, bool]], wanted_fps: float
) -> None:
    trials = [
        trial(f"F{index:03}", None if failed else fps, None if failed else cpu_ms, "failed" if failed else "")
        for index, (fps, cpu_ms, failed) in enumerate(figures)
    ]
    rows = decide(trials, wanted_fps)
    assert [row.mode for row in rows] == [row.mode for row in trials]
    assert all(row.verdict for row in rows)
    running = [row for row in rows if row.load is not None]
    chosen = [row for row in rows if row.chosen]
    assert len(chosen) == min(1, len(running))
    if chosen:
        enough_fps = KEEPS_UP_SHARE * min(wanted_fps, max(row.delivered_fps or 0.0 for row in running))
        assert (chosen[0].delivered_fps or 0.0) >= enough_fps
        able = [row for row in running if (row.delivered_fps or 0.0) >= enough_fps]
        assert chosen[0].load == min(row.load or 0.0 for row in able)


@pytest.mark.slow
def test_raw_pictures_are_taken_where_the_link_carries_them(tmp_path: Path) -> None:
    """Decoding a JPEG takes several times the processor time of unpacking YUYV."""
    rows = try_all(tmp_path, MJPG, YUYV, UNREADABLE)
    assert [name for name, row in rows.items() if row["chosen"]] == ["YUYV"]
    assert "times as much processor time" in rows["MJPG"]["verdict"]
    assert rows["H264"]["verdict"] == "can't be read"
    assert rows["MJPG"]["cpu_ms"] > rows["YUYV"]["cpu_ms"] > 0.0


@pytest.mark.slow
def test_motion_jpeg_is_taken_where_raw_pictures_come_too_slowly(tmp_path: Path) -> None:
    rows = try_all(tmp_path, slow(YUYV, 4.0), MJPG)
    assert [name for name, row in rows.items() if row["chosen"]] == ["MJPG"]
    assert rows["YUYV"]["verdict"].endswith("of 15 frames a second")


@pytest.mark.slow
def test_a_single_readable_format_is_taken_without_being_tried(tmp_path: Path) -> None:
    rows = try_all(tmp_path, UNREADABLE, MJPG)
    assert rows["MJPG"]["chosen"]
    assert rows["MJPG"]["delivered_fps"] is None
    assert asked(tmp_path, "format") == []


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def patience() -> Patience:
    return Patience()


@pytest.fixture
def camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: threading.Event, patience: Patience
) -> Iterator[IsolatedCamera]:
    """A camera process on a device that offers raw pictures, too slowly, and Motion-JPEG."""
    for key, value in install(tmp_path, slow(YUYV, 4.0), MJPG).items():
        monkeypatch.setenv(key, value)
    settings = OpenCvSource(type="opencv", device=str(tmp_path / "video0"))
    camera = IsolatedCamera("door", settings, stop, patience)
    yield camera
    stop.set()
    camera.close()


@pytest.mark.camera
def test_the_camera_process_takes_the_chosen_format_and_keeps_the_choice(
    camera: IsolatedCamera, tmp_path: Path
) -> None:
    camera.open()
    frame = camera.read()
    assert frame.pixels.shape == (480, 640, 3)
    assert np.abs(frame.pixels.astype(int) - COLOURS).max() < 12
    del frame
    tried = asked(tmp_path, "format")
    assert {name for name, _ in tried} == {"YUYV", "MJPG"}
    camera.close()
    camera.open()
    camera.read()
    opened_again = asked(tmp_path, "format")[len(tried) :]
    assert len(opened_again) < len(tried)
    # Which of them keeps up is measured, and a busy machine may be late for both; the choice is kept.
    assert opened_again[-1] == tried[-1]


@pytest.mark.camera
def test_a_camera_process_that_had_to_be_killed_is_replaced_by_one_that_knows_the_choice(
    camera: IsolatedCamera, tmp_path: Path
) -> None:
    camera.open()
    camera.read()
    tried = asked(tmp_path, "format")
    assert camera.process_id is not None
    os.kill(camera.process_id, signal.SIGKILL)
    with pytest.raises(CameraError):
        _ = [camera.read() for _ in range(100)]
    camera.close()
    camera.open()
    assert camera.read().pixels.any()
    again = asked(tmp_path, "format")[len(tried) :]
    assert len(again) < len(tried)
    assert again[-1] == tried[-1]


def test_another_camera_in_its_place_is_tried_anew() -> None:
    memory = FormatMemory()
    yuyv = OfferedFormat(CameraMode("YUYV", 640, 480, 15.0), "YUYV 4:2:2", compressed=False)
    mjpg = OfferedFormat(CameraMode("MJPG", 640, 480, 15.0), "Motion-JPEG", compressed=True)
    assert memory.chosen is None
    memory.keep((yuyv, mjpg), mjpg.mode)
    carried = FormatMemory(memory.chosen)
    assert carried.recall((yuyv, mjpg)) == mjpg.mode
    assert carried.recall((mjpg,)) is None


@pytest.mark.camera
def test_the_driver_gets_a_buffer_to_fill_while_one_is_being_read(
    camera: IsolatedCamera, tmp_path: Path
) -> None:
    """With a single one, real drivers lose every other frame."""
    camera.open()
    camera.read()
    assert asked(tmp_path, "buffers")[-1][1] == 2


@pytest.mark.camera
def test_a_v4l2_camera_comes_back_from_a_rest_and_else_stays_silent(
    camera: IsolatedCamera, patience: Patience
) -> None:
    camera.open()
    times_s = [camera.read().captured_at_s]
    until_s = times_s[0] + 0.5
    camera.rest(until_s)
    while times_s[-1] < until_s:
        times_s.append(camera.read().captured_at_s)
    assert all(later > earlier for earlier, later in pairwise(times_s))
    camera.rest(until_s + 3600.0)
    patience.ends()
    with pytest.raises(CameraError, match="has not answered"):
        _ = [camera.read() for _ in range(SLOTS + 2)]


@pytest.mark.hardware
def test_a_real_camera_is_measured() -> None:
    if not Path("/dev/video0").exists():
        pytest.skip("no /dev/video0 on this machine")
    done = subprocess.run(
        [sys.executable, "-c", TRY, "/dev/video0"], check=True, capture_output=True, text=True, timeout=60.0
    )
    assert [row["chosen"] for row in json.loads(done.stdout)].count(True) == 1
