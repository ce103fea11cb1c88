"""Several sources in one agent: each gets its share, and none suffers from another's faults."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from agent.errors import CameraError
from agent.frame import Frame
from agent.settings import OpenCvSource
from agent.source.capture import Capture, RetryPolicy
from agent.source.mailbox import Mailbox
from agent.source.seam import make_source
from tests.support.mjpeg_server import MjpegServer, StreamPlan
from tests.support.scripted_source import ScriptedSource

if TYPE_CHECKING:
    from agent.source.seam import FrameSource


class SteadySource:
    """A camera that delivers at a fixed rate until the end of the test."""

    every_frame = False

    def __init__(self, name: str, interval_s: float, stop: threading.Event) -> None:
        self._name = name
        self._interval_s = interval_s
        self._stop = stop
        self._pixels = np.zeros((24, 32, 3), np.uint8)
        self._index = 0

    def open(self) -> None:
        """Nothing to open."""

    def read(self) -> Frame:
        """The next picture, at its time."""
        self._stop.wait(self._interval_s)
        self._index += 1
        return Frame(self._pixels, time.monotonic(), self._name, self._index - 1)

    def rest(self, until_s: float) -> None:
        """No gate asks for it here."""

    def close(self) -> None:
        """Nothing to close."""


class Agent:
    """Captures on one mailbox, and a consumer that takes its time over every frame."""

    def __init__(self, names: list[str]) -> None:
        self.stop = threading.Event()
        self.mailbox = Mailbox(names)
        self.captures: list[Capture] = []

    def add(self, name: str, source: FrameSource, retry: RetryPolicy | None = None) -> None:
        capture = Capture(name, source, self.mailbox, self.stop, 5.0, retry=retry or RetryPolicy())
        self.captures.append(capture)
        capture.start()

    def consume(self, frames: int, work_s: float) -> tuple[Counter[str], list[float]]:
        """Frames taken per source, and the age of each in seconds when it was taken."""
        taken: Counter[str] = Counter()
        ages_s = []
        for _ in range(frames):
            frame = self.mailbox.take(10.0)
            assert frame is not None
            taken[frame.source] += 1
            ages_s.append(time.monotonic() - frame.captured_at_s)
            del frame
            self.stop.wait(work_s)
        return taken, ages_s

    def close(self) -> None:
        self.stop.set()
        self.mailbox.close()
        assert all(capture.join(3.0) for capture in self.captures)


@pytest.mark.parametrize("intervals_s", [(0.002,) * 4, (0.001, 0.002, 0.004, 0.006)], ids=["alike", "mixed"])
def test_four_busy_sources_share_one_pipeline_within_ten_percent(intervals_s: tuple[float, ...]) -> None:
    """All four outpace the pipeline, some by far."""
    names = ["door", "hall", "shop", "yard"]
    agent = Agent(names)
    for name, interval_s in zip(names, intervals_s, strict=True):
        agent.add(name, SteadySource(name, interval_s, agent.stop))
    agent.consume(20, 0.01)
    taken, _ = agent.consume(200, 0.01)
    agent.close()
    assert {name: 45 <= taken[name] <= 55 for name in names} == dict.fromkeys(names, True)


def test_a_source_that_fails_for_ever_takes_nothing_from_the_others() -> None:
    gone = CameraError("sources.yard: there is no camera; plug it in")
    agent = Agent(["door", "yard"])
    agent.add("door", SteadySource("door", 0.01, agent.stop))
    alone, _ = agent.consume(50, 0.0)
    failing = ScriptedSource([gone] * 100_000, name="yard")
    agent.add("yard", failing, RetryPolicy(first_s=0.001, longest_s=0.001))
    together, _ = agent.consume(50, 0.0)
    agent.close()
    assert alone == together == Counter({"door": 50})
    assert failing.opened > 10


@pytest.mark.camera
def test_a_camera_process_that_is_gone_leaves_the_other_camera_alone() -> None:
    with MjpegServer(StreamPlan(interval_s=0.02)) as server, MjpegServer(StreamPlan(stall_after=3)) as silent:
        agent = Agent(["door", "yard"])
        for name, url in (("door", server.url), ("yard", silent.url)):
            settings = OpenCvSource(type="opencv", device=url, stall_timeout_s=1.0)
            agent.add(name, make_source(name, settings, agent.stop))
        taken, _ = agent.consume(150, 0.0)
        door, yard = (capture.status() for capture in agent.captures)
        agent.close()
    assert taken["door"] > 130
    assert (door.state, door.reconnects) == ("delivering", 0)
    assert yard.stalls_1h + yard.reconnects >= 1 or yard.state == "reopening"
