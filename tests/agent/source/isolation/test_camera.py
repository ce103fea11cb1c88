"""A camera in its own process delivers without copies, and is killed when it hangs, dies or outlives us."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from agent import daemon
from agent.errors import CameraError, ConfigError, SourceEnded
from agent.host import child
from agent.settings import OpenCvSource, Picamera2Source
from agent.source.isolation import camera as camera_module
from agent.source.isolation.camera import IsolatedCamera
from agent.source.isolation.slots import SLOTS
from tests.support.clips import number_of
from tests.support.mjpeg_server import MjpegServer, StreamPlan
from tests.support.patience import Patience
from tests.support.places import ROOT
from tests.support.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.camera


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def served() -> Iterator[MjpegServer]:
    with MjpegServer(StreamPlan(interval_s=0.01)) as server:
        yield server


@pytest.fixture
def patience() -> Patience:
    return Patience()


@pytest.fixture
def camera(served: MjpegServer, stop: threading.Event, patience: Patience) -> Iterator[IsolatedCamera]:
    camera = camera_at(served.url, stop, patience)
    yield camera
    stop.set()
    camera.close()
    assert camera.process_id is None


def camera_at(device: str, stop: threading.Event, clock: Callable[[], float]) -> IsolatedCamera:
    settings = OpenCvSource(type="opencv", device=device, stall_timeout_s=DEADLINE_S)
    return IsolatedCamera("door", settings, stop, clock)


def read_frames(camera: IsolatedCamera, count: int) -> None:
    for _ in range(count):
        camera.read()


def process_of(camera: IsolatedCamera) -> int:
    assert camera.process_id is not None
    return camera.process_id


def alive(process_id: int) -> bool:
    """Whether the process runs; a zombie that only waits for its parent's notice doesn't."""
    try:
        with open(f"/proc/{process_id}/stat") as stat:  # noqa: PTH123 - a race-free open of a vanishing file
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_frames_arrive_in_order_with_the_time_of_their_capture(
    camera: IsolatedCamera, served: MjpegServer
) -> None:
    """Three are on their way at most, so that none is lost for want of a slot."""
    served.plan.allowed = threading.Semaphore(3)
    before_s = time.monotonic()
    camera.open()
    numbers, times_s, indices = [], [], []
    for _ in range(20):
        served.plan.allowed.release()
        frame = camera.read()
        numbers.append(number_of(frame.pixels))
        times_s.append(frame.captured_at_s)
        indices.append(frame.index)
        del frame
    assert numbers == list(range(numbers[0], numbers[0] + 20))
    assert indices == list(range(20))
    assert times_s == sorted(times_s)
    assert before_s < times_s[0]
    assert times_s[-1] <= time.monotonic()


def test_a_held_frame_is_never_overwritten_however_many_follow(camera: IsolatedCamera) -> None:
    camera.open()
    held = camera.read()
    number = number_of(held.pixels)
    for _ in range(25):
        camera.read()
    assert number_of(held.pixels) == number


def test_holding_every_slot_loses_new_frames_not_held_ones(
    camera: IsolatedCamera, patience: Patience
) -> None:
    camera.open()
    held = [camera.read() for _ in range(SLOTS)]
    numbers = [number_of(frame.pixels) for frame in held]
    patience.ends()
    with pytest.raises(
        CameraError, match="has not answered"
    ):  # the writer has nowhere to put a frame, so none arrives
        camera.read()
    assert [number_of(frame.pixels) for frame in held] == numbers


def test_frames_at_rest_stay_in_the_process(
    camera: IsolatedCamera, served: MjpegServer, patience: Patience
) -> None:
    """Only what came before the process heard of the rest comes out, and that fits into the slots."""
    camera.open()
    read_frames(camera, 2)
    camera.rest(time.monotonic() + 3600.0)
    sent = served.sent
    wait_until(lambda: served.sent > sent + 100, "a hundred frames to be served during the rest")
    patience.ends()
    with pytest.raises(CameraError, match="has not answered"):
        read_frames(camera, SLOTS + 2)


def test_frames_come_again_when_a_rest_is_over(camera: IsolatedCamera) -> None:
    camera.open()
    until_s = camera.read().captured_at_s + 0.3
    camera.rest(until_s)
    while camera.read().captured_at_s < until_s:
        pass
    read_frames(camera, 3)


def test_a_camera_at_rest_closes_at_once_and_has_forgotten_the_rest_when_it_opens_again(
    camera: IsolatedCamera,
) -> None:
    camera.open()
    for _ in range(3):
        camera.read()
    process_id = process_of(camera)
    camera.rest(time.monotonic() + 3600.0)
    camera.close()
    camera.open()
    for _ in range(3):
        camera.read()
    assert process_of(camera) == process_id


def test_closing_blackens_the_memory_once_the_last_frame_is_let_go(camera: IsolatedCamera) -> None:
    camera.open()
    frame = camera.read()
    while number_of(frame.pixels) == 0:
        frame = camera.read()
    pixels = frame.pixels
    memory: Any = pixels.base
    assert memory.size == SLOTS * pixels.size
    camera.close()
    assert pixels.any()
    del frame, pixels
    assert not memory.any()


def test_the_process_survives_a_failed_opening_and_is_used_again(
    stop: threading.Event, patience: Patience
) -> None:
    camera = camera_at("/dev/v4l/by-id/absent", stop, patience)
    process_ids = set()
    for _ in range(3):
        with pytest.raises(CameraError, match=r"sources\.door: there is no /dev/v4l/by-id/absent"):
            camera.open()
        camera.close()
        process_ids.add(camera.process_id)
    stop.set()
    camera.close()
    assert len(process_ids) == 1


def test_what_can_never_open_is_a_configuration_error(stop: threading.Event, tmp_path: Path) -> None:
    settings = OpenCvSource(type="opencv", device="rtsp://127.0.0.1/x", credentials_file=tmp_path / "absent")
    camera = IsolatedCamera("door", settings, stop)
    with pytest.raises(ConfigError, match="credentials_file"):
        camera.open()
    stop.set()
    camera.close()


def test_a_blocked_process_is_killed_after_the_timeout_and_replaced(
    camera: IsolatedCamera, patience: Patience
) -> None:
    camera.open()
    camera.read()
    first = process_of(camera)
    os.kill(first, signal.SIGSTOP)  # like a driver call that never returns
    patience.ends()
    with pytest.raises(CameraError, match=f"has not answered for {DEADLINE_S + 1.0:.0f} s"):
        read_frames(camera, 200)
    camera.close()
    wait_until(lambda: not alive(first), "the blocked process to end")
    patience.lasts()
    camera.open()
    assert camera.read().pixels is not None
    assert camera.process_id != first


def test_a_process_that_dies_is_replaced(camera: IsolatedCamera) -> None:
    camera.open()
    camera.read()
    os.kill(process_of(camera), signal.SIGKILL)
    with pytest.raises(CameraError, match=r"the camera process ended.*; a new one is started"):
        read_frames(camera, 200)
    camera.close()
    camera.open()
    camera.read()


@pytest.mark.parametrize("blocked", [False, True], ids=["streaming", "blocked"])
def test_stop_ends_a_read_and_the_process_in_any_state(
    served: MjpegServer, stop: threading.Event, patience: Patience, *, blocked: bool
) -> None:
    """At once, whatever the timeout of the camera, which does not pass here."""
    camera = camera_at(served.url, stop, patience)
    camera.open()
    camera.read()
    process_id = process_of(camera)
    if blocked:
        os.kill(process_id, signal.SIGSTOP)
    ended = threading.Event()

    def read_until_stopped() -> None:
        try:
            while True:
                camera.read()
        except SourceEnded:
            camera.close()
            ended.set()

    reader = threading.Thread(target=read_until_stopped, daemon=True)
    reader.start()
    stop.set()
    assert ended.wait(DEADLINE_S)
    reader.join(DEADLINE_S)
    wait_until(lambda: not alive(process_id), "the camera process to end")


def test_a_process_that_does_not_close_is_killed_when_its_grace_is_over(
    served: MjpegServer, stop: threading.Event
) -> None:
    """On a clock of which a quarter of a second passes by each look."""
    looks = itertools.count()
    camera = camera_at(served.url, stop, lambda: next(looks) * 0.25)
    camera.open()
    camera.read()
    process_id = process_of(camera)
    os.kill(process_id, signal.SIGSTOP)
    before = next(looks)
    camera.close()
    # The first says until when, the last that it is over.
    assert next(looks) - before - 1 == 1 + camera_module._CLOSE_S / 0.25
    assert camera.process_id is None
    wait_until(lambda: not alive(process_id), "the camera process to end")


def test_a_process_that_not_even_a_kill_ends_is_left_behind_after_its_time(
    camera: IsolatedCamera,
    stop: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Stuck in its driver, where no signal reaches it."""
    camera.open()
    process = camera._process
    assert process is not None
    waited_s: list[float | None] = []

    def wait(timeout: float | None = None) -> int:
        waited_s.append(timeout)
        raise subprocess.TimeoutExpired("camera", timeout or 0.0)

    with monkeypatch.context() as stuck:
        stuck.setattr(process, "wait", wait)
        stop.set()
        camera.close()
    assert waited_s == [camera_module._REAP_S]
    assert camera.process_id is None
    assert f"camera process {process.pid} hangs in its driver" in caplog.text
    process.wait(DEADLINE_S)


def test_whatever_a_camera_is_doing_it_ends_within_the_time_that_the_daemon_grants() -> None:
    """It looks at the stop event, or finishes a close; then the process is killed and waited for."""
    longest_s = max(camera_module._LOOK_UP_S, camera_module._CLOSE_S) + camera_module._REAP_S
    assert longest_s < daemon._JOIN_S
    assert daemon._JOIN_S == 3.0


def test_the_camera_process_ends_when_the_agent_is_killed(served: MjpegServer) -> None:
    program = (
        "import sys, threading\n"
        "from agent.source.isolation.camera import IsolatedCamera\n"
        "from agent.settings import OpenCvSource\n"
        "settings = OpenCvSource(type='opencv', device=sys.argv[1])\n"
        "camera = IsolatedCamera('door', settings, threading.Event())\n"
        "camera.open()\n"
        "camera.read()\n"
        "print(camera.process_id, flush=True)\n"
        "threading.Event().wait()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, served.url], stdout=subprocess.PIPE, text=True
    ) as agent:
        assert agent.stdout is not None
        process_id = int(agent.stdout.readline())
        os.kill(process_id, signal.SIGSTOP)  # not even a blocked one is left behind
        agent.kill()
    wait_until(lambda: not alive(process_id), "the camera process to end")


def test_the_process_ignores_the_signals_meant_for_the_agent(camera: IsolatedCamera) -> None:
    camera.open()
    camera.read()
    os.kill(process_of(camera), signal.SIGTERM)
    os.kill(process_of(camera), signal.SIGINT)
    for _ in range(10):
        camera.read()


def test_the_process_loads_neither_the_configuration_reader_nor_onnx(camera: IsolatedCamera) -> None:
    """It stays small, because there is one per camera."""
    camera.open()
    with open(f"/proc/{process_of(camera)}/maps") as maps:  # noqa: PTH123 - procfs
        loaded = maps.read()
    assert "cv2" in loaded
    assert "pydantic" not in loaded
    assert "onnxruntime" not in loaded


def test_a_csi_camera_works_through_the_process_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: threading.Event
) -> None:
    """With a stand-in module on the process's path; it answers as picamera2's manual says."""
    (tmp_path / "picamera2.py").write_text(
        "import numpy as np\n"
        "class Request:\n"
        "    def release(self): pass\n"
        "class MappedArray:\n"
        "    def __init__(self, request, stream): pass\n"
        "    def __enter__(self):\n"
        "        self.array = np.full((360, 320), 128, np.uint8)\n"
        "        return self\n"
        "    def __exit__(self, *_): pass\n"
        "class Picamera2:\n"
        "    sensor_resolution = (3280, 2464)\n"
        "    def __init__(self, camera_num=0): pass\n"
        "    def create_video_configuration(self, **wanted): return wanted\n"
        "    def configure(self, configuration): self.configuration = configuration\n"
        "    def camera_configuration(self): return self.configuration\n"
        "    def start(self): pass\n"
        "    def capture_request(self, wait): return Request()\n"
        "    def close(self): pass\n"
    )
    (tmp_path / "libcamera.py").write_text("class ColorSpace: Smpte170m = staticmethod(lambda: None)\n")
    monkeypatch.setattr(child, "product_path", lambda: [str(tmp_path), str(ROOT)])
    settings = Picamera2Source(type="picamera2", width_px=320, height_px=240)
    camera = IsolatedCamera("door", settings, stop, Patience())
    camera.open()
    assert camera.read().pixels[0, 0].tolist() == [130, 130, 130]  # (128 - 16) * 255 / 219
    stop.set()
    camera.close()
