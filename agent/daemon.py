"""Builds the stages, runs them in named threads, and takes them down again in reverse order.

``capture-<source>`` threads put the latest frame into a mailbox, the ``pipeline`` thread takes frames out,
counts, and closes windows, and the ``mqtt`` thread talks to the broker. One event stops them all.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2

from agent import __version__
from agent.aggregator import Aggregator
from agent.classifier import Classifier
from agent.contract.messages import BirthMessage, BirthModels, BirthPolicy, ModelIdentity, new_session_id
from agent.contract.topics import Identity
from agent.detector import Detector
from agent.health import HealthRecorder
from agent.host.hardening import harden
from agent.host.sd_notify import Notifier
from agent.host.thermal import read_device
from agent.inference.networks import choose_networks
from agent.pipeline import Pipeline
from agent.privacy.policy import PrivacyPolicy
from agent.publisher.thread import Publisher
from agent.publisher.wallclock import WallClock
from agent.scheduler import Scheduler
from agent.source.capture import Capture, make_capture
from agent.source.mailbox import Mailbox
from agent.tracker.by_position import Tracker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.domain import EmotionWindow
    from agent.frame import Frame
    from agent.inference.backends.opening import LoadedNetwork
    from agent.inference.choice.choose import Choice
    from agent.inference.networks import Networks
    from agent.settings import AgentSettings

logger = logging.getLogger(__name__)

_LONGEST_WAIT_S: Final = 0.5
"""The pipeline looks up at least this often: to close windows, to feed the watchdog, to stop."""
_JOIN_S: Final = 3.0
_FLUSH_S: Final = 5.0
_SIGNAL_LOOK_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Lane:
    """Everything that belongs to one source."""

    capture: Capture
    pipeline: Pipeline
    aggregator: Aggregator


def build_pipeline(
    networks: Networks,
    settings: AgentSettings,
    clock: Callable[[], float],
    scheduler: Scheduler | None = None,
) -> Pipeline:
    """The stages of one source.

    Args:
        networks: Shared by all sources, which take turns.
        settings: For every stage.
        clock: Monotonic seconds.
        scheduler: None makes one for the configured budget.
    """
    return Pipeline(
        [Detector(network, settings.detector) for network in networks.detectors],
        Tracker(settings.tracker),
        Classifier(networks.classifier, settings.classifier, networks.calibrated_floor),
        scheduler or Scheduler(settings.latency.budget_ms, networks.relative_costs, networks.start_tier),
        clock,
    )


def state_directory(settings: AgentSettings) -> Path | None:
    """The folder for the queue of unsent windows, made if need be; None where nothing can be kept."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    folder = settings.state.directory or Path(given or Path(home) / "emotion-agent")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        logger.warning("state.directory %s can't be made (%s); unsent windows wait in memory", folder, error)
        return None
    return folder


class Daemon:
    """One run of the agent. ``run`` blocks; ``stop`` may be called from anywhere, signal handlers included.

    Raises:
        ModelError: From the constructor, before any camera is opened.
        BackendError: Likewise.
    """

    def __init__(self, settings: AgentSettings, *, reselect: bool = False) -> None:
        harden()
        # Its pool of threads would compete with inference for the cores.
        cv2.setNumThreads(1)
        self._settings = settings
        self._state_dir = state_directory(settings)
        self._networks, choice = choose_networks(settings, self._state_dir, reselect=reselect)
        _log_choice(choice)
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._clock = time.monotonic
        self._wallclock = WallClock()
        self._mailbox = Mailbox(tuple(settings.sources))
        self._lanes = self._build_lanes()
        self._policy = PrivacyPolicy(settings.privacy)
        self._health = HealthRecorder(
            settings.latency.budget_ms, self._clock(), len(self._networks.detectors) - 1
        )
        self._health_due_s = self._clock()
        self._publisher = self._build_publisher()
        self._notifier = Notifier()

    def stop(self) -> None:
        """End the run in order: no new frames, last windows closed and sent, ``offline`` published."""
        self._stop.set()

    def run(self) -> None:
        """Count until :meth:`stop`, or until every replayed source is finished.

        Raises:
            AgentError: A replayed file can't be played.
        """
        with ExitStack() as stack:
            stack.callback(self._close_networks)
            self._publisher.start()
            stack.callback(self._publisher.stop, _FLUSH_S)
            worker = threading.Thread(target=self._work, name="pipeline")
            worker.start()
            stack.callback(worker.join)
            for lane in self._lanes.values():
                lane.capture.start()
                stack.callback(lane.capture.join, _JOIN_S)
            stack.callback(self._mailbox.close)
            stack.callback(self._notifier.stopping)
            self._notifier.ready(
                f"{len(self._lanes)} source(s), {self._networks.detectors[0].file.precision}"
            )
            # The kernel may hand a signal to any thread, which wakes no lock of this one; Python's handler,
            # which sets the event, runs here only once this thread runs again (signal(7), Python's "signal").
            while not self._stop.wait(_SIGNAL_LOOK_S):
                pass
        if self._failure is not None:
            raise self._failure

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
                self._notifier.alive()
            self._close_last_windows()
        except BaseException as error:  # noqa: BLE001 - the thread's top; run() raises it again
            self._failure = error
        finally:
            self._stop.set()

    def _process(self, frame: Frame) -> None:
        lane = self._lanes[frame.source]
        lane.aggregator.frame_seen(frame.captured_at_s)
        step = lane.pipeline.step(frame)
        lane.aggregator.add(step.readings)
        self._health.record(frame.source, step)

    def _wait_s(self) -> float:
        due_s = min(lane.aggregator.next_close_s for lane in self._lanes.values())
        return max(0.0, min(_LONGEST_WAIT_S, due_s - self._clock(), self._health_due_s - self._clock()))

    def _all_ended(self) -> bool:
        """Whether no frame will come any more; one source that ends leaves the others alone."""
        captures = [lane.capture for lane in self._lanes.values()]
        if not all(capture.ended.is_set() for capture in captures) or not self._mailbox.empty:
            return False
        self._failure = next((capture.error for capture in captures if capture.error is not None), None)
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
        self._health_due_s = self._clock()
        self._report_health()

    def _publish(self, window: EmotionWindow) -> None:
        disclosure = self._policy.disclose(window)
        self._publisher.publish_counts(window, disclosure)
        length_s = window.closed_at_s - window.opened_at_s
        replaced = self._mailbox.dropped_by(window.source)
        self._health.window_closed(
            window.source, length_s, replaced, may_tell=self._policy.may_tell_load(disclosure)
        )

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

    def _build_lanes(self) -> Mapping[str, Lane]:
        settings = self._settings
        lanes = {}
        for name, source in settings.sources.items():
            pipeline = build_pipeline(self._networks, settings, self._clock)
            capture = make_capture(name, source, self._mailbox, self._stop)
            lanes[name] = Lane(capture, pipeline, Aggregator(name, settings.privacy.window_s, self._clock()))
        return lanes

    def _build_publisher(self) -> Publisher:
        settings = self._settings
        identity = Identity(settings.deployment.site, settings.deployment.device, settings.mqtt.root)
        privacy = settings.privacy
        birth = BirthMessage(
            session_id=new_session_id(),
            agent=__version__,
            models=BirthModels(
                detector=_identity(self._networks.detectors[0]),
                classifier=None
                if self._networks.classifier is None
                else _identity(self._networks.classifier),
                signed_by=self._networks.signer_id or None,
            ),
            backend=self._networks.detectors[0].file.backend,
            policy=BirthPolicy(
                window_s=privacy.window_s,
                min_count=privacy.min_count,
                epsilon=privacy.epsilon,
                epsilon_per_day=self._policy.epsilon_per_day,
            ),
            sources=tuple(settings.sources),
        )
        return Publisher(
            settings.mqtt,
            identity,
            birth,
            clock=self._wallclock,
            state_dir=self._state_dir,
            homeassistant=settings.homeassistant,
        )

    def _close_networks(self) -> None:
        for network in (*self._networks.detectors, self._networks.classifier):
            if network is not None:
                network.network.input_buffer.fill(0)  # the last picture it saw
                network.network.close()


def _log_choice(choice: Choice) -> None:
    for pick in (*choice.detectors, choice.classifier):
        if pick is not None:
            speed = "" if pick.ms is None else f", {pick.ms:.2f} ms"
            logger.info("%s runs on %s %s%s", pick.network, pick.backend, pick.precision, speed)
    if not choice.fits:
        logger.warning("no detector is expected to fit latency.budget_ms: run emotion-agent doctor")


def _identity(network: LoadedNetwork) -> ModelIdentity:
    return ModelIdentity(id=network.name, sha256=network.file.sha256, precision=network.file.precision)
