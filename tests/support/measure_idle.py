"""What an hour of an empty room costs with and without the motion gate, decoding included.

A program, because it takes minutes and wants a quiet machine::

    python -m tests.support.measure_idle --seconds 60

For each kind of camera the agent's own capture and pipeline run in a process of their own, twice, on the same
pictures in real time; counted is the processor time of that process and of its camera process. What plays the
camera runs elsewhere, except for the stand-in's copying of a frame, which a real driver does in the kernel.
``emotion-agent bench --gate`` measures the same without any decoding, faster than real time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import psutil
from rich.console import Console
from rich.table import Table

from agent.synthetic.crowd import empty_room
from tests.support import v4l2_stand_in
from tests.support.clips import ffmpeg
from tests.support.mjpeg_server import BOUNDARY, MjpegServer, StreamPlan

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

FPS = 15.0
SETTLING_S = 4.0
"""Loading, the first frames, and the second in which every frame of a new scene is looked at."""
HOUR_S = 3600.0
KINDS = ("usb-mjpg", "usb-yuyv", "http-mjpeg", "file-mjpeg", "file-h264")


class RoomServer(MjpegServer):
    """The empty room as an HTTP camera."""

    def __init__(self, pictures: list[NDArray[np.uint8]]) -> None:
        super().__init__(StreamPlan(interval_s=1.0 / FPS))
        self._jpegs = [cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures]

    def _part(self, number: int) -> bytes:
        jpeg = self._jpegs[number % len(self._jpegs)]
        head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
        return head.encode() + jpeg + b"\r\n"


def write_file(folder: Path, pictures: list[NDArray[np.uint8]], kind: str) -> Path:
    """Twenty seconds of the room as a video, which is played over and over."""
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(folder / f"{number:02}.png"), picture)
    codec = {
        "file-mjpeg": ("-c:v", "mjpeg", "-q:v", "3"),
        "file-h264": ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "veryfast", "-g", "30"),
    }[kind]
    clip = folder / f"{kind}.mkv"
    images = ("-framerate", FPS, "-stream_loop", "13", "-i", folder / "%02d.png")
    ffmpeg(*(str(word) for word in images), *codec, clip)
    return clip


def camera(kind: str, folder: Path, stack: ExitStack) -> tuple[dict[str, Any], dict[str, str]]:
    """Source table and environment for a kind of camera, which plays until the stack is left."""
    room = empty_room().frames
    # Forwards and backwards, as one film without a jump.
    pictures = [*room, *room[-2:0:-1]]
    if kind.startswith("usb-"):
        played = {"usb-mjpg": v4l2_stand_in.MJPG, "usb-yuyv": v4l2_stand_in.YUYV}[kind]
        environment = v4l2_stand_in.install(folder, played, pictures=pictures)
        return {"type": "opencv", "device": environment["LIBV4L_STAND_IN"]}, environment
    if kind == "http-mjpeg":
        return {"type": "opencv", "device": stack.enter_context(RoomServer(pictures)).url}, {}
    return {"type": "replay", "path": str(write_file(folder, pictures, kind)), "loop": True}, {}


def measure(kind: str, seconds: float, idle_interval_ms: float, state: Path) -> dict[str, float]:
    """Run the agent's half in a process of its own."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="measure-idle-")))
        source, environment = camera(kind, folder, stack)
        source["idle_interval_ms"] = idle_interval_ms
        command = [sys.executable, "-m", "tests.support.measure_idle", "--agent", json.dumps(source)]
        done = subprocess.run(
            [*command, "--seconds", str(seconds), "--state", state],
            env={**os.environ, **environment}, check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return answer


def run_agent(source: dict[str, Any], seconds: float, state: Path) -> dict[str, float]:
    """The agent's half: capture, gate and pipeline as the daemon builds them, without MQTT."""
    from agent.assembly import build_pipeline  # noqa: PLC0415
    from agent.inference.networks import choose_networks  # noqa: PLC0415
    from agent.settings import AgentSettings  # noqa: PLC0415
    from agent.source.capture import make_capture  # noqa: PLC0415 - only the measured process loads the agent
    from agent.source.mailbox import Mailbox  # noqa: PLC0415

    cv2.setNumThreads(1)
    settings = AgentSettings.model_validate(
        {
            "deployment": {"site": "bench", "device": "this-machine", "context": "demo"},
            "sources": {"room": source},
        }
    )
    networks, _ = choose_networks(settings, state)
    stop, mailbox = threading.Event(), Mailbox(["room"])
    capture = make_capture("room", settings.sources["room"], mailbox, stop)
    pipeline = build_pipeline(networks, settings, time.monotonic)
    capture.start()

    def process_for(span_s: float) -> int:
        end_s, taken = time.monotonic() + span_s, 0
        while time.monotonic() < end_s:
            frame = mailbox.take(0.5)
            if frame is not None:
                pipeline.step(frame)
                taken += 1
            del frame
        return taken

    process_for(SETTLING_S)
    before = list(cpu_s())
    began_s = time.monotonic()
    taken = process_for(seconds)
    per_hour = HOUR_S / (time.monotonic() - began_s)
    agent_s, camera_s = (per_hour * (after - earlier) for earlier, after in zip(before, cpu_s(), strict=True))
    status = capture.status()
    stop.set()
    mailbox.close()
    capture.join(3.0)
    assert (status.state, status.picture) == ("delivering", "good"), status
    return {"agent": agent_s, "camera": camera_s, "processed_per_s": taken / seconds}


def cpu_s() -> Iterator[float]:
    """Processor seconds so far of this process, and of its camera process."""
    own = psutil.Process()
    for processes in ([own], own.children(recursive=True)):
        times = [process.cpu_times() for process in processes]
        yield sum(one.user + one.system for one in times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="real time per run (two per kind)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--idle-interval-ms", type=float, default=500.0)
    parser.add_argument("--agent", help=argparse.SUPPRESS)
    parser.add_argument("--state", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.agent:
        answer = run_agent(json.loads(options.agent), options.seconds, options.state)
        print(json.dumps(answer))  # noqa: T201
        return
    table = Table(
        title=f"An hour of an empty room at {FPS:g} fps, in processor seconds", title_justify="left"
    )
    table.add_column("camera", no_wrap=True)
    for column in ("off: agent", "camera process", "on: agent", "camera process", "share", "frames/s on"):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory(prefix="measure-idle-state-") as state:
        for kind in options.kinds:
            off, on = (
                measure(kind, options.seconds, ms, Path(state)) for ms in (0.0, options.idle_interval_ms)
            )
            share = (on["agent"] + on["camera"]) / (off["agent"] + off["camera"])
            cells = [f"{row[part]:.0f}" for row in (off, on) for part in ("agent", "camera")]
            table.add_row(kind, *cells, f"{share:.1%}", f"{on['processed_per_s']:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
