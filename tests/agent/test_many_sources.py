"""Several sources in one agent: each gets its share, and none suffers from another's faults."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Self

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
from tests.support.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from agent.source.seam import FrameSource


class SteadySource:
    """A camera that delivers as fast as it is read until the end of the test."""

    every_frame = False

    def __init__(self, name: str, interval_s: float, stop: threading.Event) -> None:
        self.delivered = 0
        """Frames that have reached the mailbox for certain: another one was asked for."""
        self._name = name
        self._interval_s = interval_s
        self._stop = stop
        self._pixels = np.zeros((24, 32, 3), np.uint8)
        self._index = 0

    def open(self) -> None:
        """Nothing to open."""

    def read(self) -> Frame:
        """The next picture, at its time."""
        self.delivered = self._index
        self._stop.wait(self._interval_s)
        self._index += 1
        return Frame(self._pixels, time.monotonic(), self._name, self._index - 1)

    def rest(self, until_s: float) -> None:
        """No gate asks for it here."""

    def close(self) -> None:
        """Nothing to close."""


class Agent:
    """Captures on one mailbox, and a consumer of their frames."""

    def __init__(self, names: list[str]) -> None:
        self.stop = threading.Event()
        self.mailbox = Mailbox(names)
        self.captures: list[Capture] = []

    def add(self, name: str, source: FrameSource, retry: RetryPolicy | None = None) -> None:
        capture = Capture(name, source, self.mailbox, self.stop, DEADLINE_S, retry=retry or RetryPolicy())
        self.captures.append(capture)
        capture.start()

    def take(self) -> Frame:
        frame = self.mailbox.take(DEADLINE_S)
        assert frame is not None, [capture.status() for capture in self.captures]
        return frame

    def consume(self, frames: int) -> Counter[str]:
        """Frames taken per source."""
        return Counter(self.take().source for _ in range(frames))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.mailbox.close()
        assert all(capture.join(DEADLINE_S) for capture in self.captures)


@pytest.mark.slow
@pytest.mark.parametrize("intervals_s", [(0.002,) * 4, (0.001, 0.002, 0.004, 0.006)], ids=["alike", "mixed"])
def test_four_busy_sources_share_one_pipeline_within_ten_percent(intervals_s: tuple[float, ...]) -> None:
    """All four outpace the pipeline, some by far: each has a new frame whenever it looks."""
    names = ["door", "hall", "shop", "yard"]
    with Agent(names) as agent:
        sources = {
            name: SteadySource(name, interval_s, agent.stop)
            for name, interval_s in zip(names, intervals_s, strict=True)
        }
        for name, source in sources.items():
            agent.add(name, source)
        seen = dict.fromkeys(names, -1)
        taken: Counter[str] = Counter()
        for _ in range(200):
            wait_until(
                lambda: all(source.delivered - 1 > seen[name] for name, source in sources.items()),
                "a frame of each source",
            )
            frame = agent.take()
            seen[frame.source] = frame.index
            taken[frame.source] += 1
    assert {name: 45 <= taken[name] <= 55 for name in names} == dict.fromkeys(names, True)
    assert all(agent.mailbox.dropped_by(name) > 0 for name in names)


def test_a_source_that_fails_for_ever_takes_nothing_from_the_others() -> None:
    gone = CameraError("sources.yard: there is no camera; plug it in")
    with Agent(["door", "yard"]) as agent:
        agent.add("door", SteadySource("door", 0.001, agent.stop))
        alone = agent.consume(50)
        failing = ScriptedSource([gone] * 1_000_000, name="yard")
        agent.add("yard", failing, RetryPolicy(first_s=0.001, longest_s=0.001))
        wait_until(lambda: failing.opened > 10, "the source to fail a few times")
        together = agent.consume(50)
        opened = failing.opened
        wait_until(lambda: failing.opened > opened, "the source to fail again")
    assert alone == together == Counter({"door": 50})


@pytest.mark.camera
def test_a_camera_process_that_is_gone_leaves_the_other_camera_alone() -> None:
    with (
        MjpegServer(StreamPlan(interval_s=0.02)) as server,
        MjpegServer(StreamPlan(stall_after=3)) as silent,
        Agent(["door", "yard"]) as agent,
    ):
        for name, url, patience_s in (("door", server.url, DEADLINE_S), ("yard", silent.url, 1.0)):
            settings = OpenCvSource(type="opencv", device=url, stall_timeout_s=patience_s)
            agent.add(name, make_source(name, settings, agent.stop))
        door, yard = agent.captures
        taken: Counter[str] = Counter()

        def is_gone() -> bool:
            taken[agent.take().source] += 1
            return yard.status().state == "reopening" or yard.status().reconnects > 0

        wait_until(is_gone, "the silent camera to be noticed")
        before = taken["door"]
        wait_until(lambda: is_gone() and taken["door"] >= before + 50, "more of the other camera")
        assert (door.status().state, door.status().reconnects) == ("delivering", 0)
