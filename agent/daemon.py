"""Runs the stages in named threads, and takes them down again in reverse order.

``capture-<source>`` threads put the latest frame into a mailbox, the ``pipeline`` thread takes frames out,
counts, and closes windows, and the ``mqtt`` thread talks to the broker. One event stops them all.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from agent.assembly import build_days, build_lanes, build_publisher
from agent.domain import EmotionWindow
from agent.errors import AgentError, BrokenThreadError
from agent.health import HealthRecorder
from agent.host import Notifier, harden, load_opencv, read_device, state_directory
from agent.inference import choose_networks
from agent.privacy import PrivacyPolicy
from agent.publisher import WallClock
from agent.source import Mailbox

if TYPE_CHECKING:
    from agent.domain import AnyWindow, DayTotal
    from agent.frame import Frame
    from agent.inference.choice import Choice
    from agent.settings import AgentSettings

logger = logging.getLogger(__name__)

_LONGEST_WAIT_S: Final = 0.5
"""The pipeline looks up at least this often: to close windows, to feed the watchdog, to stop."""
_JOIN_S: Final = 3.0
_FLUSH_S: Final = 5.0
_SIGNAL_LOOK_S: Final = 0.5


class Daemon:
    """One run of the agent. ``run`` blocks; ``stop`` may be called from anywhere, signal handlers included.

    Raises:
        ModelError: From the constructor, before any camera is opened.
        BackendError: Likewise.
    """

    def __init__(self, settings: AgentSettings, *, reselect: bool = False) -> None:
        harden()
        # Before anything else uses it: with threads of its own it would compete with inference.
        load_opencv()
        self._settings = settings
        self._state_dir = state_directory(settings)
        self._networks, choice = choose_networks(settings, self._state_dir, reselect=reselect)
        _log_choice(choice)
        self._stop = threading.Event()
        self._asked_to_stop = False
        self._failure: AgentError | None = None
        self._clock = time.monotonic
        self._wallclock = WallClock()
        self._mailbox = Mailbox(tuple(settings.sources))
        self._lanes = build_lanes(self._networks, settings, self._clock, self._mailbox, self._stop)
        self._days = build_days(settings, self._wallclock)
        self._policy = PrivacyPolicy(settings.privacy)
        self._health = HealthRecorder(
            settings.latency.budget_ms, self._clock(), len(self._networks.detectors) - 1
        )
        self._health_due_s = self._clock()
        self._publisher = build_publisher(
            self._networks, settings, self._policy, self._wallclock, self._state_dir
        )
        self._notifier = Notifier()

    def stop(self) -> None:
        """End the run in order: no new frames, last windows closed and sent, ``offline`` published."""
        # No lock is taken: a signal handler would wait for ever for the event's, if it interrupts its holder.
        self._asked_to_stop = True

    def run(self) -> None:
        """Count until :meth:`stop`, or until every replayed source is finished.

        Raises:
            AgentError: A replayed file can't be played, or a thread died or hangs.
        """
        with ExitStack() as stack:
            stack.callback(setattr, threading, "excepthook", threading.excepthook)
            threading.excepthook = self._thread_died
            stack.callback(self._networks.close)
            self._publisher.start()
            stack.callback(self._publisher.stop, _FLUSH_S)
            worker = threading.Thread(target=self._work, name="pipeline")
            worker.start()
            stack.callback(worker.join)
            stack.callback(self._stop.set)
            for lane in self._lanes.values():
                lane.capture.start()
                stack.callback(lane.capture.join, _JOIN_S)
            stack.callback(self._mailbox.close)
            stack.callback(self._notifier.stopping)
            self._notifier.ready(
                f"{len(self._lanes)} source(s), {self._networks.detectors[0].file.precision}"
            )
            # The kernel may hand a signal to any thread, which wakes no lock of this one; Python's handler
            # runs here only once this thread runs again (signal(7), Python's "signal").
            while not (self._asked_to_stop or self._stop.wait(_SIGNAL_LOOK_S)):
                pass
            self._stop.set()
        if self._failure is not None:
            raise self._failure

    def _thread_died(self, died: threading.ExceptHookArgs) -> None:
        """End the run in order: without one of its threads the agent would look alive and do nothing."""
        error = died.exc_value
        if not isinstance(error, AgentError):
            name = "?" if died.thread is None else died.thread.name
            told = BrokenThreadError(
                f"thread {name} died of {error!r}: the agent has to be started anew; please report this"
            )
            told.__cause__ = error
            error = told
        self._failure = self._failure or error
        self._stop.set()

    def _work(self) -> None:
        """Top of the pipeline thread."""
        try:
            while not self._stop.is_set() and not self._all_ended():
                frame = self._mailbox.take(self._wait_s())
                self._close_windows()
                if frame is not None:
                    self._process(frame)
                del frame  # the capture thread may now reuse its buffer
                self._report_health()
                self._publisher.check_progress()
                self._notifier.alive()
        finally:
            self._stop.set()
            self._close_last_windows()

    def _process(self, frame: Frame) -> None:
        lane = self._lanes[frame.source]
        lane.aggregator.frame_seen(frame.captured_at_s)
        step = lane.pipeline.step(frame)
        if not step.dropped:
            seen = [track.track_id for track in step.tracks]
            counted = lane.in_view.admitted(seen, frame.captured_at_s, lane.aggregator.next_close_s)
            lane.aggregator.take(step.only(counted))
        self._health.record(frame.source, step)

    def _wait_s(self) -> float:
        due_s = min(lane.aggregator.next_close_s for lane in self._lanes.values())
        return max(0.0, min(_LONGEST_WAIT_S, due_s - self._clock(), self._health_due_s - self._clock()))

    def _all_ended(self) -> bool:
        """Whether no frame will come any more; one source that ends leaves the others alone."""
        captures = [lane.capture for lane in self._lanes.values()]
        if not all(capture.ended.is_set() for capture in captures) or not self._mailbox.empty:
            return False
        errors = (capture.error for capture in captures if capture.error is not None)
        self._failure = self._failure or next(errors, None)
        return True

    def _close_windows(self) -> None:
        now_s = self._clock()
        for lane in self._lanes.values():
            for window in lane.aggregator.close_due(now_s):
                self._publish(window)

    def _close_last_windows(self) -> None:
        self._close_windows()
        for lane in self._lanes.values():
            window = lane.aggregator.close_now(self._clock())
            if window.closed_at_s > window.opened_at_s:
                self._publish(window)
        for day in self._days.values():
            self._publish_day(day.close())
        self._health_due_s = self._clock()
        self._report_health()

    def _publish(self, window: AnyWindow) -> None:
        disclosure = self._policy.disclose(window)
        self._publisher.publish_counts(window, disclosure)
        length_s = window.closed_at_s - window.opened_at_s
        self._health.window_closed(
            window.source,
            length_s,
            self._mailbox.dropped_by(window.source),
            self._lanes[window.source].capture.status(),
            may_tell=self._policy.may_tell_load(disclosure),
        )
        if isinstance(window, EmotionWindow) and window.source in self._days:
            self._publish_day(self._days[window.source].add(window))

    def _publish_day(self, total: DayTotal | None) -> None:
        if total is not None:
            self._publisher.publish_counts(total, self._policy.disclose_day(total))

    def _report_health(self) -> None:
        now_s = self._clock()
        if now_s < self._health_due_s:
            return
        self._health_due_s = now_s + self._settings.health.interval_s
        self._publisher.publish_health(
            self._health.message(
                now_s,
                cameras={name: lane.capture.status() for name, lane in self._lanes.items()},
                broker=self._publisher.status(),
                tier_names=tuple(network.name for network in self._networks.detectors),
                clock_synced=self._wallclock.synced,
                device=read_device(),
            ),
        )


def _log_choice(choice: Choice) -> None:
    for pick in (*choice.detectors, choice.classifier):
        if pick is not None:
            speed = "" if pick.ms is None else f", {pick.ms:.2f} ms"
            logger.info("%s runs on %s %s%s", pick.network, pick.backend, pick.precision, speed)
    if not choice.fits:
        logger.warning("no detector is expected to fit latency.budget_ms: run emotion-agent doctor")
