"""Capture and pipeline of one source, beside somebody who counts; no broker, no window, nothing kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Final

from agent.assembly import Lane, build_lanes
from agent.commands.tally.keys import BACKSPACE, Keys
from agent.commands.tally.scene import Scene
from agent.commands.tally.sightings import Lookout, Sighting
from agent.errors import CameraError
from agent.source import Mailbox

if TYPE_CHECKING:
    from agent.inference import Networks
    from agent.settings import AgentSettings

LOOK_S: Final = 0.1
"""How often the view is drawn anew, and how long a signal waits at most."""
_JOIN_S: Final = 3.0
_PATIENCE: Final = 1.5
"""So many stall timeouts without a picture, and the camera is taken for dead."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Both counts of one session; times in seconds from its start."""

    presses_s: tuple[float, ...]
    scene: Scene


class Session:
    """One tally of one source.

    Args:
        networks: For the pipeline.
        settings: With the one source that is counted.
        keys: Where people are counted by hand.
        show: Takes the line that stands on the screen.
    """

    def __init__(
        self,
        networks: Networks,
        settings: AgentSettings,
        keys: Keys,
        show: Callable[[str], object],
    ) -> None:
        (self._name,) = settings.sources
        self._networks, self._settings, self._keys, self._show = networks, settings, keys, show
        self._clock = time.monotonic
        self._stop = threading.Event()
        self._mailbox = Mailbox((self._name,))
        self._lookout = Lookout(expressions=settings.expressions)
        self._lane: Lane = build_lanes(
            networks, settings, self._clock, self._mailbox, self._stop, watch=self._lookout.over
        )[self._name]
        self._presses_s: list[float] = []
        self._began_s: float | None = None
        """When the first picture was taken that anything can be seen in."""
        self._away_s = 0.0
        self._came_at_s = self._checked_s = self._clock()

    def count(self, limit_s: float, stopped: Callable[[], object]) -> Counted | None:
        """Count from the first picture to ``q``, the limit, or the end of a recording.

        Args:
            limit_s: Longest time to count.
            stopped: Whether to give up.

        Returns:
            None where it was given up, or no picture came that anything can be seen in.

        Raises:
            AgentError: The source can't be used, delivers nothing for too long, or the terminal has gone.
        """
        shown = ""
        with self._running() as work:
            while not (self._has_ended(work) or stopped() or self._is_over(limit_s)):
                self._check_camera()
                if (line := self._line(limit_s)) != shown:
                    self._show(shown := line)
                if not self._took(self._keys.read(LOOK_S)):
                    break
            ended_s = self._clock()
        if self._began_s is None or not self._lookout.looks or stopped():
            return None
        began_s = self._began_s
        return Counted(tuple(at_s - began_s for at_s in self._presses_s), self._scene(began_s, ended_s))

    @contextmanager
    def _running(self) -> Iterator[Future[None]]:
        with ExitStack() as stack:
            work = stack.enter_context(ThreadPoolExecutor(1, "pipeline")).submit(self._work)
            stack.callback(self._stop.set)
            self._lane.capture.start()
            stack.callback(self._lane.capture.join, _JOIN_S)
            stack.callback(self._mailbox.close)
            stack.callback(self._stop.set)
            yield work
        work.result()

    def _work(self) -> None:
        """Top of the pipeline thread."""
        capture = self._lane.capture
        while not self._stop.is_set():
            ended = capture.ended.is_set()
            frame = self._mailbox.take(LOOK_S)
            if frame is not None:
                if self._began_s is None:
                    self._began_s = frame.captured_at_s
                self._lookout.stepped(self._lane.pipeline.step(frame))
            elif ended:
                return
            del frame  # the capture thread may now reuse its buffer

    def _is_over(self, limit_s: float) -> bool:
        return self._began_s is not None and not self._clock() - self._began_s < limit_s

    def _has_ended(self, work: Future[None]) -> bool:
        """Whether a recording is over.

        Raises:
            AgentError: What has ended was no recording that could be played, or the pipeline broke.
        """
        if not work.done():
            return False
        work.result()
        if self._lane.capture.error is not None:
            raise self._lane.capture.error
        return True

    def _took(self, pressed: list[str]) -> bool:
        """Whether to go on after these keys; none counts before there is a picture."""
        for key in pressed:
            if key in "qQ":
                return False
            if key in BACKSPACE:
                del self._presses_s[-1:]
            elif self._began_s is not None:
                self._presses_s.append(self._clock())
        return True

    def _check_camera(self) -> None:
        """Add up how long it is away, and give it up in the end."""
        before_s, self._checked_s = self._checked_s, self._clock()
        status = self._lane.capture.status()
        alive = status.state in {"delivering", "ended"}
        if self._began_s is not None and not (alive and status.picture == "good"):
            self._away_s += self._checked_s - before_s
        if alive:
            self._came_at_s = self._checked_s
            return
        patience_s = _PATIENCE * self._settings.sources[self._name].stall_timeout_s
        if self._checked_s - self._came_at_s > patience_s:
            raise CameraError(
                f"sources.{self._name}: no picture for {patience_s:.0f} s, so nothing was compared"
                f" ({status.reason or 'it does not start'}); see emotion-agent doctor"
            )

    def _line(self, limit_s: float) -> str:
        camera = self._lane.capture.status()
        trouble = camera.reason or ("" if self._began_s is not None else "waiting for the first picture")
        elapsed_s = 0.0 if self._began_s is None else self._clock() - self._began_s
        told = f"{_clock(elapsed_s)} of {_clock(limit_s)}   by hand {len(self._presses_s)}"
        return f"{told}   {trouble}" if trouble else told

    def _scene(self, began_s: float, ended_s: float) -> Scene:
        lookout = self._lookout
        entry = self._networks.detectors[lookout.tier].entry.input
        width, height = lookout.frame_px
        offered = lookout.frames + self._mailbox.dropped_by(self._name)
        return Scene(
            source=self._name,
            seconds=ended_s - began_s,
            away_s=self._away_s,
            frame_px=lookout.frame_px,
            input_px_per_px=min(entry.width_px / width, entry.height_px / height),
            zones=self._settings.sources[self._name].exclusion_zones,
            tracks=tuple(_moved(track, began_s) for track in lookout.sightings.values() if track.voted),
            doubtful=lookout.doubtful,
            looks_per_s=1.0 / median(lookout.moving_s) if lookout.moving_s else None,
            kept_up=lookout.looks / offered,
        )


def _moved(track: Sighting, began_s: float) -> Sighting:
    return replace(track, began_s=track.began_s - began_s, ended_s=track.ended_s - began_s)


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{int(seconds % 60):02}"
