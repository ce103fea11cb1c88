"""Capture keeps a source delivering: it reopens for ever, says so once, and never blocks the shutdown."""

from __future__ import annotations

import logging
import threading
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import CameraError, ConfigError
from agent.settings import OpenCvSource, ReplaySource
from agent.source import capture as capture_module
from agent.source.capture import Capture, RetryPolicy, make_capture
from agent.source.isolation.camera import IsolatedCamera
from agent.source.mailbox import Mailbox
from agent.source.picture.motion_gate import MotionGate
from agent.source.picture.quality import PictureWatch
from agent.source.recordings.replay import ReplayCamera
from tests.support.clips import number_of, write_video
from tests.support.mjpeg_server import MjpegServer, StreamPlan
from tests.support.scripted_source import ScriptedSource
from tests.support.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from agent.source.seam import FrameSource
    from tests.support.scripted_source import Step

AT_ONCE = RetryPolicy(first_s=0.0, longest_s=0.0)


class Rig:
    """A capture on its mailbox, stopped at the end of the test."""

    def __init__(
        self,
        source: FrameSource,
        *,
        stall_timeout_s: float = 20.0,
        watch: PictureWatch | None = None,
        gate: MotionGate | None = None,
    ) -> None:
        name = "door"
        self.stop = threading.Event()
        self.mailbox = Mailbox([name])
        self.now_s = 1000.0
        self.capture = Capture(
            name,
            source,
            self.mailbox,
            self.stop,
            stall_timeout_s,
            watch=watch,
            gate=gate,
            retry=AT_ONCE,
            clock=lambda: self.now_s,
        )

    def take(self, frames: int) -> list[int]:
        """Grey levels of the next frames."""
        levels = []
        for _ in range(frames):
            frame = self.mailbox.take(DEADLINE_S)
            assert frame is not None, self.capture.status()
            levels.append(int(frame.pixels[0, 0, 0]))
        return levels

    def close(self) -> None:
        """Stop as the daemon does."""
        self.stop.set()
        self.mailbox.close()
        assert self.capture.join(DEADLINE_S)


def until(condition: threading.Event) -> None:
    assert condition.wait(DEADLINE_S)


def test_frames_arrive_from_a_thread_named_after_the_source() -> None:
    source = ScriptedSource([[1, 2, 3]])
    rig = Rig(source)
    rig.capture.start()
    assert rig.take(3) == [1, 2, 3]
    until(rig.capture.ended)
    assert source.thread_name == "capture-door"
    assert rig.capture.error is None
    assert rig.capture.status().state == "ended"
    assert source.closed == source.opened
    rig.close()


def test_a_source_that_breaks_is_closed_and_reopened_however_often() -> None:
    lost = CameraError("sources.door: cable out; plug it in")
    end = threading.Event()
    rig = Rig(ScriptedSource([[1, lost], lost, lost, [2, lost], [3, lost], lost, [4, end]]))
    rig.capture.start()
    assert rig.take(4) == [1, 2, 3, 4]
    status = rig.capture.status()
    assert (status.state, status.reconnects, status.reason) == ("delivering", 3, "")
    end.set()
    rig.close()


def test_a_source_absent_at_start_is_opened_when_it_appears() -> None:
    absent = CameraError("sources.door: there is no camera; plug it in")
    rig = Rig(ScriptedSource([*[absent] * 50, [7]]))
    rig.capture.start()
    assert rig.take(1) == [7]
    assert rig.capture.status().reconnects == 0
    rig.close()


def test_an_exception_nobody_foresaw_leads_to_another_attempt() -> None:
    rig = Rig(ScriptedSource([[1, ValueError("driver bug")], OSError("strange"), [2]]))
    rig.capture.start()
    assert rig.take(2) == [1, 2]
    rig.close()


def test_each_change_of_state_is_logged_once_not_each_attempt(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    absent = CameraError("sources.door: there is no camera; plug it in")
    rig = Rig(ScriptedSource([*[absent] * 20, [1, absent], *[absent] * 20, [2]]))
    rig.capture.start()
    assert rig.take(2) == [1, 2]
    until(rig.capture.ended)
    rig.close()
    own = [record.getMessage() for record in caplog.records if record.name.startswith("agent.source.")]
    assert own == [
        str(absent), "source door delivers 32x24", str(absent), "source door delivers 32x24",
        "the script is over; write a longer one",
    ]  # fmt: skip


def test_the_status_gives_the_reason_of_the_last_failed_attempt() -> None:
    blocked = threading.Event()
    first = CameraError("sources.door: busy; close the other program")
    second = CameraError("sources.door: gone; plug it in")
    rig = Rig(ScriptedSource([first, second, [blocked, 1]]))
    rig.capture.start()
    wait_until(lambda: rig.capture.status().reason == str(second), "the second error to be told")
    assert rig.capture.status().state == "reopening"
    blocked.set()
    assert rig.take(1) == [1]
    rig.close()


def test_unusable_input_ends_the_source_with_its_error() -> None:
    rig = Rig(ScriptedSource([ConfigError("sources.door.path: no such file; correct it")]))
    rig.capture.start()
    until(rig.capture.ended)
    assert isinstance(rig.capture.error, ConfigError)
    assert rig.capture.status().reason == "sources.door.path: no such file; correct it"
    rig.close()


def test_silence_beyond_the_timeout_is_one_stall_and_shows_while_the_read_still_blocks() -> None:
    blocked = threading.Event()
    rig = Rig(ScriptedSource([[1, blocked, 2]]), stall_timeout_s=5.0)
    rig.capture.start()
    assert rig.take(1) == [1]
    rig.now_s += 4.9
    assert rig.capture.status().state == "delivering"
    rig.now_s += 0.2
    for _ in range(3):
        status = rig.capture.status()
        assert (status.state, status.stalls_1h) == ("reopening", 1)
        assert "no frame for 5 s" in status.reason
    blocked.set()
    assert rig.take(1) == [2]
    until(rig.capture.ended)
    rig.close()


def test_stalls_are_forgotten_after_an_hour() -> None:
    blocked = threading.Event()
    rig = Rig(ScriptedSource([[1, blocked, 2]]), stall_timeout_s=5.0)
    rig.capture.start()
    assert rig.take(1) == [1]
    rig.now_s += 6.0
    assert rig.capture.status().stalls_1h == 1
    rig.now_s += 3601.0
    assert rig.capture.status().stalls_1h == 0
    blocked.set()
    rig.close()


def test_shutdown_does_not_wait_for_the_next_attempt() -> None:
    absent = CameraError("sources.door: there is no camera; plug it in")
    stop = threading.Event()
    patient = RetryPolicy(first_s=3600.0, longest_s=3600.0)
    capture = Capture("door", ScriptedSource([absent]), Mailbox(["door"]), stop, 20.0, retry=patient)
    capture.start()
    wait_until(lambda: capture.status().state == "reopening", "the camera to be opened again")
    stop.set()
    assert capture.join(DEADLINE_S)


def test_a_read_that_never_returns_does_not_block_the_shutdown() -> None:
    never = threading.Event()
    rig = Rig(ScriptedSource([[1, never]]))
    rig.capture.start()
    assert rig.take(1) == [1]
    rig.stop.set()
    assert not rig.capture.join(0.1)
    names = [t.name for t in threading.enumerate() if not t.daemon]
    assert "capture-door" not in names
    never.set()
    rig.close()


def test_a_live_source_never_waits_for_the_pipeline() -> None:
    rig = Rig(ScriptedSource([[*range(50)]], every_frame=False))
    rig.capture.start()
    until(rig.capture.ended)
    assert rig.take(1) == [49]
    assert rig.mailbox.dropped_by("door") == 49
    rig.close()


def test_a_replay_as_fast_as_possible_loses_no_frame(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "clip.avi", 30)
    stop = threading.Event()
    mailbox = Mailbox(["clip"])
    settings = ReplaySource(type="replay", path=clip, realtime=False)
    capture = Capture("clip", ReplayCamera("clip", settings, stop), mailbox, stop, 20.0)
    capture.start()
    seen: list[int] = []
    while len(seen) < 30:
        frame = mailbox.take(DEADLINE_S)
        assert frame is not None
        seen.append(number_of(frame.pixels))
    until(capture.ended)
    assert capture.join(DEADLINE_S)
    assert seen == list(range(30))
    assert mailbox.dropped_by("clip") == 0


@pytest.mark.parametrize(
    ("pixels", "shown"),
    [
        (np.zeros((0, 0, 3), np.uint8), "0x0x3 uint8"),
        (np.zeros((1, 1, 3), np.uint8), "1x1x3 uint8"),
        (np.zeros((48, 64), np.uint8), "48x64 uint8"),
        (np.zeros((48, 64, 4), np.uint8), "48x64x4 uint8"),
        (np.zeros((48, 64, 3), np.float32), "48x64x3 float32"),
    ],
)
def test_a_picture_that_is_no_frame_is_refused_in_words_and_the_source_reopened(
    pixels: NDArray[np.generic], shown: str
) -> None:
    blocked = threading.Event()
    rig = Rig(ScriptedSource([[pixels, 1], [blocked, 2]]))
    rig.capture.start()
    wait_until(
        lambda: f"a picture of {shown} is unusable; " in rig.capture.status().reason,
        "the picture to be called unusable",
    )
    blocked.set()
    assert rig.take(1) == [2]
    rig.close()


@pytest.mark.parametrize("shape", [(16, 16), (480, 640), (4320, 7680)])
def test_any_usable_size_passes_with_all_checks_on(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(1).integers(0, 255, (*shape, 3), dtype=np.uint8)
    strided = picture[:, ::-1]
    source = ScriptedSource([[picture, strided]], every_frame=True)
    rig = Rig(source, watch=PictureWatch(), gate=MotionGate(0.5))
    rig.capture.start()
    for _ in range(2):
        frame = rig.mailbox.take(DEADLINE_S)
        assert frame is not None
        assert frame.pixels.shape == (*shape, 3)
    rig.close()


def test_useless_pictures_stay_away_from_the_pipeline_and_show_in_the_status(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    dark = [np.full((48, 64, 3), 2, np.uint8)] * 40
    good = np.random.default_rng(1).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    checked = threading.Event()
    times_s = iter(range(100))
    script: list[list[Step]] = [[*dark, checked, good]]
    source = ScriptedSource(script, every_frame=False, clock=lambda: float(next(times_s)))
    rig = Rig(source, watch=PictureWatch())
    rig.capture.start()
    wait_until(lambda: rig.capture.status().picture == "black", "the picture to be called black")
    status = rig.capture.status()
    assert status.state == "delivering"
    assert status.reason == "sources.door: the picture is black; uncover the lens or light the room"
    taken = 0
    while rig.mailbox.take(0.2) is not None:
        taken += 1
    assert taken <= 2  # those before the verdict
    checked.set()
    frame = rig.mailbox.take(DEADLINE_S)
    assert frame is not None
    assert int(frame.pixels.max()) > 200
    assert (rig.capture.status().picture, rig.capture.status().reason) == ("good", "")
    until(rig.capture.ended)
    rig.close()
    assert [text for text in caplog.messages if "picture is" in text] == [
        "sources.door: the picture is black; uncover the lens or light the room",
        "source door: the picture is good again",
    ]


def test_a_still_scene_reaches_the_pipeline_at_the_idle_rate_and_is_not_a_stall() -> None:
    still = [np.full((48, 64, 3), 99, np.uint8)] * 100
    times_s = iter(number / 10.0 for number in range(1000))
    source = ScriptedSource([still], clock=lambda: next(times_s))
    rig = Rig(source, gate=MotionGate(0.5))
    rig.capture.start()
    taken = 0
    while not rig.capture.ended.is_set() or not rig.mailbox.empty:
        taken += rig.mailbox.take(0.05) is not None
    assert (
        20 <= taken <= 12 + 23
    )  # a second of every frame, then one in 0.4 s: the last before the half second
    assert rig.capture.status().stalls_1h == 0
    rig.close()


def test_a_still_scene_lets_the_camera_rest_until_the_next_look_and_a_moving_one_does_not() -> None:
    still = [np.full((48, 64, 3), 99, np.uint8)] * 40
    moving = [np.full((48, 64, 3), 60 + 9 * number, np.uint8) for number in range(10)]
    times_s = iter(1000.0 + number / 10.0 for number in range(1000))
    source = ScriptedSource([[*still, *moving]], clock=lambda: next(times_s))
    rig = Rig(source, gate=MotionGate(0.5))
    rig.capture.start()
    last_s = 0.0
    while not rig.capture.ended.is_set() or not rig.mailbox.empty:
        frame = rig.mailbox.take(0.05)
        last_s = last_s if frame is None else frame.captured_at_s
    rig.close()
    assert 8 <= len(source.rests) <= 16
    assert source.rests[0] > 1001.0
    assert max(source.rests) <= 1004.6
    assert last_s == pytest.approx(1004.9)


def test_a_useless_picture_lets_the_camera_rest_and_is_looked_at_again_soon() -> None:
    dark = [np.full((48, 64, 3), 2, np.uint8)] * 90
    good = [np.random.default_rng(1).integers(0, 255, (48, 64, 3), dtype=np.uint8)] * 20
    times_s = iter(1000.0 + number / 15.0 for number in range(1000))
    source = ScriptedSource([[*dark, *good]], clock=lambda: next(times_s))
    rig = Rig(source, watch=PictureWatch(), gate=MotionGate(0.5))
    rig.capture.start()
    taken_s = []
    while not rig.capture.ended.is_set() or not rig.mailbox.empty:
        frame = rig.mailbox.take(0.05)
        if frame is not None:
            taken_s.append(frame.captured_at_s - 1000.0)
    rig.close()
    black = 90 / 15.0
    assert len([at_s for at_s in source.rests if 1002.5 < at_s < 1006.0]) >= 10
    assert 0.0 <= min(at_s for at_s in taken_s if at_s >= black - 1e-6) - black <= 0.76


def test_a_frozen_picture_is_noticed_in_time_though_the_camera_rests() -> None:
    """Thirteen seconds of one picture at 15 frames a second."""
    frozen = [np.random.default_rng(1).integers(0, 255, (48, 64, 3), dtype=np.uint8)] * 195
    times_s = iter(1000.0 + number / 15.0 for number in range(1000))
    source = ScriptedSource([frozen], every_frame=False, clock=lambda: next(times_s))
    rig = Rig(source, watch=PictureWatch(), gate=MotionGate(0.5))
    rig.capture.start()
    until(rig.capture.ended)
    rig.close()
    assert rig.capture.status().picture == "frozen"
    # In each second after the first it was told to rest, and yet the frozen picture was noticed.
    assert {int(at_s) for at_s in source.rests} >= set(range(1002, 1012))


def test_without_a_gate_no_camera_rests() -> None:
    source = ScriptedSource([[np.full((48, 64, 3), 2, np.uint8)] * 30], every_frame=False)
    rig = Rig(source, watch=PictureWatch())
    rig.capture.start()
    until(rig.capture.ended)
    rig.close()
    assert source.rests == []


def test_make_capture_gives_live_pace_sources_their_checks_and_full_replays_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of sixty black frames all come in a full replay, and few at the clip's own pace."""
    settings = ReplaySource(type="replay", path=tmp_path, idle_interval_ms=200.0)
    outcomes = []
    for every_frame in (True, False):
        times_s = iter(1000.0 + number / 10.0 for number in range(1000))
        black = [np.full((48, 64, 3), 2, np.uint8)] * 60
        source = ScriptedSource([black], every_frame=every_frame, clock=partial(next, times_s))
        monkeypatch.setattr(capture_module, "make_source", lambda *_, source=source: source)
        stop = threading.Event()
        mailbox = Mailbox(["door"])
        capture = make_capture("door", settings, mailbox, stop)
        capture.start()
        taken = 0
        while not capture.ended.is_set() or not mailbox.empty:
            taken += mailbox.take(0.05) is not None
        assert capture.join(DEADLINE_S)
        outcomes.append((taken, source.rests != [], capture.status().picture))
    assert outcomes[0] == (60, False, "good")
    assert outcomes[1][0] < 28
    assert outcomes[1][1:] == (True, "black")


@pytest.fixture
def served() -> Iterator[MjpegServer]:
    with MjpegServer(StreamPlan(frames=4)) as server:
        yield server


@pytest.mark.camera
def test_a_real_stream_that_is_cut_comes_back_by_itself(served: MjpegServer) -> None:
    stop = threading.Event()
    mailbox = Mailbox(["door"])
    settings = OpenCvSource(type="opencv", device=served.url, stall_timeout_s=2.0)
    camera = IsolatedCamera("door", settings, stop)
    capture = Capture("door", camera, mailbox, stop, settings.stall_timeout_s, retry=AT_ONCE)
    capture.start()
    wait_until(lambda: capture.status().reconnects >= 3, "the stream to come back three times")
    stop.set()
    mailbox.close()
    assert capture.join(DEADLINE_S)


@given(st.integers(1, 10_000))
def test_pauses_between_attempts_grow_up_to_the_longest_and_never_vanish(failures: int) -> None:
    policy = RetryPolicy(first_s=0.25, longest_s=4.0)
    pause_s = policy.pause_s(failures)
    full_s = min(4.0, 0.25 * 2.0 ** min(failures - 1, 30))
    assert full_s / 2.0 <= pause_s <= full_s
