"""One thread per source that keeps frames coming: opens, reads, hands over, and opens again for ever."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent.domain import CameraStatus
from agent.errors import AgentError, CameraError, ConfigError, SourceEnded

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.mailbox import Mailbox
    from agent.source import FrameSource

_log = logging.getLogger(__name__)

HOUR_S: Final = 3600.0


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
        self._retry = retry
        self._journal = _Journal(name, stall_timeout_s, clock)
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
            _log.info("%s", end)
        except AgentError as error:
            self.error = error
            _log.error("%s", error)
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
            except Exception as error:  # noqa: BLE001 - whatever a driver throws, the next attempt comes
                self._journal.failed(f"sources.{self.name}: {error!r}; it is reopened, please report this")
                _log.debug("source %s", self.name, exc_info=True)
            failures = 1 if self._journal.frames > delivered else failures + 1
            self._stop.wait(self._retry.pause_s(failures))

    def _deliver_until_it_breaks(self) -> None:
        try:
            self._source.open()
            while not self._stop.is_set():
                frame = self._source.read()
                self._journal.delivered(frame.width, frame.height)
                self._mailbox.put(frame, wait=self._source.every_frame)
                # Held here, the frame would block its buffer during the next read.
                del frame
        finally:
            self._source.close()


class _Journal:
    """What happened to one source; written by its thread, read by the one that reports health."""

    def __init__(self, name: str, stall_timeout_s: float, clock: Callable[[], float]) -> None:
        self._name = name
        self._stall_timeout_s = stall_timeout_s
        self._clock = clock
        # Protects every attribute below.
        self._lock = threading.Lock()
        self._state = "starting"
        self._reason = ""
        self._reconnects = 0
        # Bounded: stalls are at least stall_timeout_s >= 1 s apart.
        self._stalls_s: deque[float] = deque(maxlen=int(HOUR_S))
        self._stalled = False
        self._alive_at_s = clock()
        self.frames = 0

    def delivered(self, width_px: int, height_px: int) -> None:
        """Note a frame."""
        with self._lock:
            self._note_silence()
            self._alive_at_s = self._clock()
            self._stalled = False
            self.frames += 1
            if self._state == "delivering":
                return
            if self._state == "reopening" and self.frames > 1:
                self._reconnects += 1
            self._state = "delivering"
            self._reason = ""
        _log.info("source %s delivers %dx%d", self._name, width_px, height_px)

    def failed(self, reason: str) -> None:
        """Note a failed attempt; only the first of a row is logged above DEBUG."""
        with self._lock:
            self._note_silence()
            changed = self._state != "reopening"
            self._state = "reopening"
            self._reason = reason
        _log.log(logging.WARNING if changed else logging.DEBUG, "%s", reason)

    def ended(self, reason: str) -> None:
        """Note that the thread is done."""
        with self._lock:
            self._state = "ended"
            self._reason = reason

    def status(self) -> CameraStatus:
        """A snapshot, which also notices a read that has not returned in time."""
        with self._lock:
            self._note_silence()
            now_s = self._clock()
            while self._stalls_s and now_s - self._stalls_s[0] > HOUR_S:
                self._stalls_s.popleft()
            return CameraStatus(self._state, self._reconnects, len(self._stalls_s), self._reason)

    def _note_silence(self) -> None:
        silent_s = self._clock() - self._alive_at_s
        if self._state != "delivering" or self._stalled or silent_s < self._stall_timeout_s:
            return
        self._stalled = True
        self._stalls_s.append(self._clock())
        self._state = "reopening"
        self._reason = (
            f"sources.{self._name}: no frame for {silent_s:.0f} s; check the camera,"
            " which is reopened as soon as its driver returns"
        )
        _log.warning("%s", self._reason)
