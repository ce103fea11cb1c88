"""A camera process that was taken over by what it decodes harms nobody but its own camera."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from agent.errors import CameraError
from agent.settings import OpenCvSource
from agent.source.isolation import camera as camera_module
from agent.source.isolation.camera import IsolatedCamera
from tests.support.mjpeg_server import MjpegServer, StreamPlan
from tests.support.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.camera

HOSTILE: Final = """
import fcntl, os, socket, sys, time
from agent.source.isolation.messages import *
from agent.source.isolation.messages import to_json
from agent.source.isolation.slots import SlotLayout
from agent.source.isolation.wire import Wire
end = socket.socket(fileno=int(sys.argv[1]))
wire = Wire(end)
wire.receive(None), wire.receive(None)
wire.send(Opened(None))

def memory():
    wire.send(SlotLayout(1, 48, 64))
    while (packet := wire.receive(None)).descriptor is None:
        pass
    return packet.descriptor

def refused(change):
    try:
        change()
    except OSError as error:
        return type(error).__name__
    return "done"

"""


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], IsolatedCamera]]:
    """Opens a camera whose process runs these lines instead of holding one."""
    stop, cameras = threading.Event(), []

    def start(lines: str) -> IsolatedCamera:
        script = tmp_path / "hostile.py"
        script.write_text(HOSTILE + lines + "\nwire.receive(None), wire.receive(60.0)\n")
        monkeypatch.setattr(camera_module, "WORKER", script)
        settings = OpenCvSource(type="opencv", device="rtsp://127.0.0.1/")
        cameras.append(IsolatedCamera("door", settings, stop, Patience()))
        cameras[-1].open()
        return cameras[-1]

    yield start
    stop.set()
    for camera in cameras:
        camera.close()


def test_the_shared_memory_can_be_neither_shrunk_nor_grown_nor_unsealed(
    hostile: Callable[[str], IsolatedCamera],
) -> None:
    """Reading from a mapping whose file was shrunk would be the end of the agent, by SIGBUS."""
    camera = hostile(
        "fd = memory()\n"
        "tried = [refused(lambda: os.ftruncate(fd, 0)), refused(lambda: os.ftruncate(fd, 1 << 30)),"
        " refused(lambda: fcntl.fcntl(fd, fcntl.F_ADD_SEALS, 0))]\n"
        "wire.send(Delivered(1, 0, time.monotonic()))\n"
        "wire.send(Failed(False, ' '.join(tried)))\n"
    )
    frame = camera.read()
    assert frame.pixels.shape == (48, 64, 3)
    assert not frame.pixels.any()
    with pytest.raises(CameraError, match="PermissionError PermissionError PermissionError"):
        camera.read()


@pytest.mark.parametrize(
    "answer",
    [
        "SlotLayout(1, 100_000, 100_000)",
        "SlotLayout(1, 48, 64, 1 << 40)",
        "SlotLayout(1, 48, 64, 4)",
        "SlotLayout(1, -48, -64)",
        "SlotLayout(1, 0, 64)",
        "Delivered(1, 5, time.monotonic())",
        "Delivered(1, -1, time.monotonic())",
        "Delivered(1, 0, time.monotonic() + 1e6)",
        "Delivered(1, 0, -1.0)",
        "Delivered(1, 0, float('nan'))",
    ],
)
def test_sizes_slots_and_times_that_can_not_be_end_the_process(
    hostile: Callable[[str], IsolatedCamera], answer: str
) -> None:
    camera = hostile(f"memory()\nwire.send({answer})\n")
    with pytest.raises(CameraError, match=r"sources\.door: the camera process ended"):
        camera.read()
    assert camera.process_id is None


def test_a_process_that_does_not_read_blocks_nobody_who_lets_a_frame_go(
    hostile: Callable[[str], IsolatedCamera],
) -> None:
    camera = hostile("memory()\nwhile True: end.send(to_json(Delivered(1, 0, time.monotonic())))\n")
    for _ in range(3000):
        camera.read()


def test_what_it_says_is_one_line_of_bearable_length(hostile: Callable[[str], IsolatedCamera]) -> None:
    camera = hostile("wire.send(Failed(False, 'a\\n\\x1b[2J' + 9000 * 'b'))\n")
    with pytest.raises(CameraError) as caught:
        camera.read()
    assert str(caught.value).startswith("a[2Jb")
    assert len(str(caught.value)) == 400


def test_descriptors_that_it_sends_are_not_kept(hostile: Callable[[str], IsolatedCamera]) -> None:
    camera = hostile(
        "memory()\nfor _ in range(200): wire.send(Reuse(1, 1), 0)\n"
        "wire.send(Delivered(1, 0, time.monotonic()))\n"
    )
    before = len(list(Path("/proc/self/fd").iterdir()))
    camera.read()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1


def test_the_real_one_has_given_up_its_rights_before_it_decodes() -> None:
    stop = threading.Event()
    with MjpegServer(StreamPlan()) as server:
        settings = OpenCvSource(type="opencv", device=server.url)
        camera = IsolatedCamera("door", settings, stop, Patience())
        camera.open()
        process = Path(f"/proc/{camera.process_id}")
        status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())
        limits = (process / "limits").read_text()
        killed_first = (process / "oom_score_adj").read_text().strip()
        stop.set()
        camera.close()
    assert status["NoNewPrivs"] == "1"
    assert killed_first == "1000"
    for limit in ("Max core file size", "Max file size"):
        assert f"{limit:26}0 " in limits
    if "Seccomp" in status:
        assert status["Seccomp"].strip() == "2"
