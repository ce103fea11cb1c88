"""The last stage: closed windows and health to the MQTT broker, from a thread named ``mqtt``.

The callers never wait: they leave a message and go on. The thread keeps a connection up for ever, sends
``online``, birth and discovery on each accepted connect, then the windows that waited, oldest first.
Neither pixels nor NumPy can get here: this module imports plain data only.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from pathlib import Path
from typing import Final

from agent.contract import BirthMessage, HealthMessage, kind_of, topics, window_message
from agent.domain import AnyDisclosure, BrokerStatus, DayTotal, Window
from agent.errors import BrokenThreadError
from agent.mqtt import Backoff, BrokerLink, Dial, Wake, load_credentials, tls_context, warn_of_exposure
from agent.publisher.announcement import Announcer
from agent.publisher.delivery import Delivery, Route
from agent.publisher.outbox import Outbox
from agent.publisher.spool import FILE_NAME, Spool
from agent.publisher.stamping import Stamper
from agent.publisher.waiting import WaitingWindow
from agent.publisher.wallclock import WallClock, boot_id
from agent.settings import HomeAssistantSettings, MqttSettings

logger = logging.getLogger(__name__)

REPLAY_PER_S: Final = 5.0
"""Windows per second after an outage: a day's backlog takes a minute, and a thousand devices coming back
stay below 5,000 messages per second."""

_LASTING_S: Final = 10.0
"""A connection that lasted this long ends the growth of the waits between attempts."""
STUCK_S: Final = 300.0
"""A thread that is not heard of for this long hangs: name servers and every address of a broker take less."""
_TICK_S: Final = 1.0
"""Longest wait of the connected thread; keep-alive and the clock are looked at this often."""


class Publisher:
    """Publishes for one device. ``start`` once, ``stop`` once; the rest is safe from any thread.

    Building one checks credentials and certificates; it connects and writes nothing yet.

    Args:
        settings: The broker.
        identity: Whose topics to write.
        birth: Published at every accepted connect; its session id names all windows of this run.
        clock: Maps monotonic instants to UTC.
        state_dir: Existing folder for the queue file; None keeps unsent windows in memory only.
        homeassistant: Discovery is announced when it says so.
        backoff: Waits between attempts.
        replay_per_s: Historical windows sent per second.

    Raises:
        ConfigError: A credential or certificate file can't be used.
    """

    def __init__(
        self,
        settings: MqttSettings,
        identity: topics.Identity,
        birth: BirthMessage,
        *,
        clock: WallClock | None = None,
        state_dir: Path | None = None,
        homeassistant: HomeAssistantSettings | None = None,
        backoff: Backoff | None = None,
        replay_per_s: float = REPLAY_PER_S,
    ) -> None:
        load_credentials(settings)
        tls_context(settings)
        warn_of_exposure(settings)
        self._settings = settings
        self._client_id = settings.client_id or identity.client_id
        self._session_id = birth.session_id
        self._announcer = Announcer(identity, birth, homeassistant or HomeAssistantSettings())
        self._clock = clock or WallClock()
        self._boot_id = boot_id()
        self._route = Route(
            topic=lambda window: topics.window_topic(identity, kind_of(window.message), window.source),
            outbox=Outbox(
                settings.queue_max_windows, None if state_dir is None else Spool(state_dir / FILE_NAME)
            ),
            stamper=Stamper(self._clock, self._boot_id),
            backoff=backoff or Backoff(),
            replay_interval_s=1.0 / replay_per_s,
        )
        # Handed over between threads; each is one atomic append, popleft or assignment, so no lock is
        # held and no caller waits for a disk or a socket. The outbox has the bound.
        self._inbox: deque[WaitingWindow] = deque()
        self._health: HealthMessage | None = None
        self._stop_by_s: float | None = None
        self._connected = False
        self._reason = "not connected yet"
        self._progress_at_s = time.monotonic()
        self._wake = Wake()
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def start(self) -> None:
        """Start connecting; returns at once."""
        self._progress_at_s = time.monotonic()
        self._thread.start()

    def publish_counts(self, window: Window | DayTotal, disclosure: AnyDisclosure) -> None:
        """Hand over a closed window, or a day, with what the privacy policy lets out of it; returns at once.

        It is kept until the broker acknowledges it. What was counted in ``window`` is not read.
        """
        stamps = self._clock.stamps(window.opened_at_s, window.closed_at_s)
        message = window_message(window, disclosure, self._session_id, stamps)
        waiting = WaitingWindow(window.source, message, window.opened_at_s, window.closed_at_s, self._boot_id)
        self._inbox.append(waiting)
        self._wake.set()

    def publish_health(self, message: HealthMessage) -> None:
        """Hand over the latest health; one that was not sent yet is replaced. Returns at once."""
        self._health = message
        self._wake.set()

    def status(self) -> BrokerStatus:
        """For health and logs; from any thread."""
        outbox = self._route.outbox
        depth = outbox.depth + len(self._inbox)
        lost = outbox.damaged
        return BrokerStatus(self._connected, self._reason, depth, outbox.dropped + lost, lost)

    def check_progress(self) -> None:
        """Nothing is raised while the thread works, or waits for a broker as it should; from any thread.

        Raises:
            BrokenThreadError: It, or the one that connects for it, has hung for ``STUCK_S``.
        """
        if time.monotonic() - self._progress_at_s > STUCK_S:
            raise BrokenThreadError(
                f"delivery to {self._settings.host} has hung for {STUCK_S:.0f} s: the agent has to be started"
                " anew; check the name server and the disk of state.directory"
            )

    def stop(self, timeout_s: float = 5.0) -> None:
        """Send what is left, then ``offline``, then disconnect; what can't be sent is stored.

        Returns after ``timeout_s`` at the latest, plus the time the disk takes.
        """
        self._stop_by_s = time.monotonic() + timeout_s
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s + 2.0)
        if self._inbox and not self._thread.is_alive():
            self._store_all()  # closed since the thread died

    def _run(self) -> None:
        try:
            self._publish()
        finally:
            self._store_all()
            self._wake.close()

    def _publish(self) -> None:
        outbox = self._route.outbox
        outbox.load()
        while not (stopping := self._stop_by_s is not None) or self._last_chance():
            try:
                self._connect_and_serve()
            except Exception:  # thread top: a fault in one connection must not end publishing for ever
                logger.exception("the mqtt thread failed; it goes on with a new connection")
                outbox.release()
            if stopping:
                break
            self._pause()

    def _store_all(self) -> None:
        try:
            self._absorb()
        finally:
            self._route.outbox.close()

    def _last_chance(self) -> bool:
        """Whether one more attempt may save, in the time left, windows that no file can hold."""
        self._absorb()
        outbox = self._route.outbox
        return time.monotonic() < (self._stop_by_s or 0.0) and outbox.depth > outbox.stored

    def _connect_and_serve(self) -> None:
        self._progress_at_s = (
            time.monotonic()
        )  # and not in the loop below, where a hanging dial is waited for
        link = BrokerLink(self._settings, self._client_id, self._announcer.will)
        dial = Dial(link, self._wake)
        while not dial.finished.is_set():
            if self._stop_by_s is not None and not self._last_chance():
                dial.abandon()
                return
            self._wake.wait(min(_TICK_S, (self._stop_by_s or math.inf) - time.monotonic()))
            self._absorb()
        if dial.error is not None:
            # The same reason again is worth a line in the log, but no alarm.
            repeated = str(dial.error) == self._reason
            self._reason = str(dial.error)
            logger.log(logging.INFO if repeated else logging.WARNING, "%s", dial.error)
            return
        accepted_at_s = time.monotonic()
        try:
            self._serve(link)
        finally:
            self._connected = False
            self._route.outbox.release()
            link.close()
        if time.monotonic() - accepted_at_s > _LASTING_S:
            self._route.backoff.reset()
        if self._stop_by_s is None:
            logger.warning("%s", link.end_reason)
            self._reason = link.end_reason

    def _serve(self, link: BrokerLink) -> None:
        delivery = Delivery(link, self._route)
        self._announcer.greet(link)
        self._connected = True
        self._reason = ""
        logger.info("connected to broker %s:%d", self._settings.host, self._settings.effective_port)
        while link.alive and self._stop_by_s is None:
            self._progress_at_s = time.monotonic()
            self._absorb()
            wait_s = delivery.send_due()
            self._announcer.tell_health(link, self._health)
            link.step(min(wait_s, _TICK_S), self._wake)
            delivery.settle()
            self._reason = delivery.refusal
            self._announcer.answer(link)
        if link.alive:
            self._say_goodbye(link, delivery)

    def _say_goodbye(self, link: BrokerLink, delivery: Delivery) -> None:
        """Unsent windows first, as far as the time allows, then ``offline`` and a clean DISCONNECT."""
        stop_by_s = self._stop_by_s or time.monotonic()
        self._absorb()
        while link.alive and time.monotonic() < stop_by_s:
            if self._route.outbox.stored == 0:
                delivery.send_due(paced=False)
            if delivery.idle:
                break
            link.step(min(0.2, max(0.0, stop_by_s - time.monotonic())))
            delivery.settle()
        self._announcer.tell_health(link, self._health)
        farewell = self._announcer.say_offline(link)
        while link.alive and time.monotonic() < stop_by_s:
            if any(answer.ticket == farewell for answer in link.acknowledged):
                break
            link.step(min(0.2, max(0.0, stop_by_s - time.monotonic())))
        delivery.settle()
        link.disconnect()

    def _absorb(self) -> None:
        """Move what other threads left into the outbox, and look at the clock."""
        if self._clock.refresh():
            logger.info("the wall clock is synchronised; unsent windows are stamped with it")
        while self._inbox:
            # Removed last, so that ``status`` never misses a window on its way.
            self._route.outbox.put(self._inbox[0], online=self._connected)
            self._inbox.popleft()

    def _pause(self) -> None:
        if self._stop_by_s is not None:
            return
        delay_s = self._route.backoff.next_delay_s()
        logger.info("connecting again in %.1f s", delay_s)
        resume_at_s = time.monotonic() + delay_s
        while self._stop_by_s is None and (left_s := resume_at_s - time.monotonic()) > 0.0:
            self._wake.wait(left_s)
            self._absorb()
