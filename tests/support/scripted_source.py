"""A camera whose every answer is written down by the test."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.errors import SourceEnded
from agent.frame import Frame
from agent.source.rest import Rest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    Step = int | NDArray[Any] | Exception | threading.Event


class ScriptedSource:
    """Plays a list of openings, each a list of steps; an exception in either is raised.

    A step is a number (a frame of that grey level), a picture, an exception, or an event to block on.
    After the last opening every further one raises :class:`SourceEnded`.
    """

    def __init__(
        self,
        openings: Iterable[Exception | Sequence[Step]],
        *,
        every_frame: bool = True,
        name: str = "door",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.every_frame = every_frame
        self.opened = 0
        self.closed = 0
        self.thread_name = ""
        self._openings = deque(openings)
        self._steps: deque[Step] = deque()
        self._clock = clock
        self._name = name
        self._index = 0
        self.rests: list[float] = []
        self._rest = Rest()

    def open(self) -> None:
        """Start the next opening of the script."""
        self.opened += 1
        self.thread_name = threading.current_thread().name
        if not self._openings:
            raise SourceEnded("the script is over; write a longer one")
        opening = self._openings.popleft()
        if isinstance(opening, Exception):
            raise opening
        self._steps = deque(opening)

    def read(self) -> Frame:
        """Play the next step."""
        while True:
            if not self._steps:
                raise SourceEnded("the script is over; write a longer one")
            step = self._steps.popleft()
            if isinstance(step, Exception):
                raise step
            if isinstance(step, threading.Event):
                step.wait()
                continue
            pixels = np.full((24, 32, 3), step, np.uint8) if isinstance(step, int) else step
            at_s = self._clock()
            if self._rest.covers(at_s):
                continue
            frame = Frame(pixels, at_s, self._name, self._index)
            self._index += 1
            return frame

    def rest(self, until_s: float) -> None:
        """Pass steps over, as a camera does."""
        self.rests.append(until_s)
        self._rest.until(until_s)

    def close(self) -> None:
        """Count."""
        self.closed += 1
