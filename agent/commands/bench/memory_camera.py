"""Cameras whose pictures lie in memory, for measuring what an agent costs apart from decoding."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from agent.errors import SourceEnded
from agent.frame import Frame
from agent.source import FrameBuffers, Rest


class MemoryCamera:
    """Copies pictures as a driver would, at its own pace by the clock.

    Args:
        name: Of the source.
        pictures: N×H×W×3 BGR, shown in turns, forwards and backwards.
        fps: Frames a second.
        stop: Ends a wait.
        clock: Monotonic seconds.
    """

    every_frame = False

    def __init__(
        self,
        name: str,
        pictures: NDArray[np.uint8],
        fps: float,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._pictures = pictures
        self._order = [*range(len(pictures)), *range(len(pictures) - 2, 0, -1)]
        self._interval_s = 1.0 / fps
        self._stop = stop
        self._clock = clock
        self._buffers = FrameBuffers()
        self._rest = Rest()
        self._due_s = 0.0
        self._shown = 0
        self.copied = 0

    def open(self) -> None:
        """Begin now."""
        self._due_s = self._clock()

    def read(self) -> Frame:
        """The next picture that isn't passed over, at its time; what came and went meanwhile is lost."""
        while True:
            at_s = self._next_s()
            self._due_s += self._interval_s
            self._shown += 1
            if not self._rest.covers(at_s):
                break
        picture = self._pictures[self._order[self._shown % len(self._order)]]
        view = self._buffers.claim(*picture.shape[:2])
        np.copyto(view, picture)
        self.copied += 1
        return Frame(view, at_s, self._name, self._shown)

    def rest(self, until_s: float) -> None:
        """Pass pictures over uncopied."""
        self._rest.until(until_s)

    def close(self) -> None:
        """Blacken the buffers."""
        self._buffers.close()

    def _next_s(self) -> float:
        now_s = self._clock()
        missed = max(0, int((now_s - self._due_s) / self._interval_s))
        self._due_s += missed * self._interval_s
        if self._stop.wait(max(0.0, self._due_s - now_s)):
            raise SourceEnded(f"sources.{self._name}: the measurement is over; start another")
        return self._due_s


class StillCamera(MemoryCamera):
    """Shows a set number of pictures as fast as they are taken, with the times of a camera's pace.

    Args:
        frames: After these it ends.
    """

    every_frame = True

    def __init__(
        self, name: str, pictures: NDArray[np.uint8], fps: float, stop: threading.Event, frames: int
    ) -> None:
        super().__init__(name, pictures, fps, stop)
        self.stop = stop
        self.frames = frames
        self._began_s = 0.0
        self.cpu_s = 0.0
        """Processor time of the thread that read it, from its opening to its end."""

    @property
    def lasted_s(self) -> float:
        """Seconds of camera time in all pictures."""
        return self.frames * self._interval_s

    def open(self) -> None:
        """Begin at a time of its own."""
        super().open()
        self._began_s = time.thread_time()

    def _next_s(self) -> float:
        if self._shown >= self.frames:
            self.cpu_s = time.thread_time() - self._began_s
            raise SourceEnded(f"sources.{self._name}: all pictures were shown; start another measurement")
        return self._due_s
