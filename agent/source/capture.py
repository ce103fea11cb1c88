"""One thread per source that keeps frames coming: opens, reads, hands over, and opens again for ever."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent.errors import AgentError, CameraError, ConfigError, SourceEnded
from agent.source.journal import Journal
from agent.source.seam import FrameSource, make_source

if TYPE_CHECKING:
    from agent.domain import CameraStatus
    from agent.frame import Frame
    from agent.settings import SourceSettings
    from agent.source.mailbox import Mailbox
    from agent.source.picture import MotionGate, PictureWatch

logger = logging.getLogger(__name__)

USELESS_LOOK_S: Final = 0.25
"""A useless picture is looked at this often, to see when it is good again."""
SMALLEST_SIDE_PX: Final = 16
"""Nothing smaller holds a face, and drivers announce such sizes only when they are broken."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Pauses between attempts, doubling up to the longest, each shortened at random by up to half."""

    first_s: float = 0.25
    longest_s: float = 4.0
    """A camera that is back waits no longer than this for the next attempt."""

    def pause_s(self, failures: int) -> float:
        """Seconds to wait after this many failures in a row (1 or more)."""
        full_s = min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 30))
        return full_s * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing


class Capture:
    """Drives one source on its own thread, named ``capture-<source>``."""

    def __init__(
        self,
        name: str,
        source: FrameSource,
        mailbox: Mailbox,
        stop: threading.Event,
        stall_timeout_s: float,
        *,
        watch: PictureWatch | None = None,
        gate: MotionGate | None = None,
        retry: RetryPolicy = RetryPolicy(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is opened before :meth:`start`.

        Args:
            name: Name of the source in the configuration.
            source: Used by the capture thread only.
            mailbox: Where frames go.
            stop: Ends the thread when set.
            stall_timeout_s: Silence after which the source counts as stalled.
            watch: Keeps useless pictures back, which then count as no coverage.
            gate: Keeps frames of a still scene back.
            retry: Pauses between attempts.
            clock: Monotonic seconds.
        """
        self.name = name
        self.ended = threading.Event()
        """Set when no more frames will come: replay finished, unusable input, or stopped."""
        self.error: AgentError | None = None
        """Why the source ended for good, when that was a fault; valid once ``ended`` is set."""
        self._source = source
        self._mailbox = mailbox
        self._stop = stop
        self._watch = watch
        self._gate = gate
        self._useless = False
        self._retry = retry
        self._journal = Journal(name, stall_timeout_s, clock)
        # A daemon thread: a driver call that never returns must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name=f"capture-{name}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread to end after ``stop`` was set.

        Returns:
            False when the source is still stuck in its driver.
        """
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def status(self) -> CameraStatus:
        """How the source is doing now; callable from any thread."""
        return self._journal.status()

    def _run(self) -> None:
        try:
            self._keep_delivering()
        except SourceEnded as end:
            logger.info("%s", end)
        except AgentError as error:
            self.error = error
            logger.error("%s", error)  # noqa: TRY400 - the sentence says it all
        finally:
            self._journal.ended("" if self.error is None else str(self.error))
            self.ended.set()

    def _keep_delivering(self) -> None:
        failures = 0
        while not self._stop.is_set():
            delivered = self._journal.frames
            try:
                self._deliver_until_it_breaks()
            except (SourceEnded, ConfigError):
                raise
            except CameraError as error:
                self._journal.failed(str(error))
            except Exception as error:
                self._journal.failed(f"sources.{self.name}: {error!r}; it is reopened, please report this")
                logger.debug("source %s", self.name, exc_info=True)
            failures = 1 if self._journal.frames > delivered else failures + 1
            if self._stop.wait(self._retry.pause_s(failures)):
                self._source.close()  # until now it has kept its process for the next attempt

    def _deliver_until_it_breaks(self) -> None:
        try:
            self._source.open()
            while not self._stop.is_set():
                frame = self._source.read()
                self._check_shape(frame)
                self._journal.delivered(frame.width, frame.height)
                if self._is_worth_a_look(frame):
                    self._mailbox.put(frame, wait=self._source.every_frame)
                self._let_rest(frame.captured_at_s)
                # Held here, the frame would block its buffer during the next read.
                del frame
        finally:
            self._source.close()

    def _check_shape(self, frame: Frame) -> None:
        shape, kind = frame.pixels.shape, frame.pixels.dtype.name
        if kind != "uint8" or shape[2:] != (3,) or min(shape[:2]) < SMALLEST_SIDE_PX:
            size = "x".join(map(str, shape))
            raise CameraError(
                f"sources.{self.name}: a picture of {size} {kind} is unusable; set another size or format"
            )

    def _is_worth_a_look(self, frame: Frame) -> bool:
        if self._watch is not None:
            picture = self._watch.look(frame.pixels, frame.captured_at_s)
            self._journal.showed(picture)
            self._useless = picture != "good"
        if self._useless:
            return False
        return self._gate is None or self._gate.admits(frame.pixels, frame.captured_at_s)

    def _let_rest(self, captured_at_s: float) -> None:
        """Spare the source the decoding of frames that would not be looked at."""
        if self._gate is None:
            return
        until_s = captured_at_s + USELESS_LOOK_S if self._useless else self._gate.rests_until_s
        if until_s > captured_at_s:
            self._source.rest(until_s)


def make_capture(name: str, settings: SourceSettings, mailbox: Mailbox, stop: threading.Event) -> Capture:
    """Build the capture of one ``[sources.<name>]`` table with all it asks for; nothing is opened yet.

    A replay that delivers every frame delivers useless and still ones too.
    """
    # Loaded here: they need NumPy and OpenCV, which reading the configuration doesn't.
    from agent.source.picture import MotionGate, PictureWatch  # noqa: PLC0415

    source = make_source(name, settings, stop)
    idle_interval_s = settings.idle_interval_ms / 1000.0
    return Capture(
        name,
        source,
        mailbox,
        stop,
        settings.stall_timeout_s,
        watch=None if source.every_frame else PictureWatch(settings.exclusion_zones),
        gate=None if source.every_frame or idle_interval_s == 0.0 else MotionGate(idle_interval_s),
    )
