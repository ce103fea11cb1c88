"""``emotion-agent simulate``: the load of a fleet on one broker, from virtual devices.

Windows take the way a real device's take (outbox, delivery, acknowledgement), but many devices share one
connection, so that one machine can play a thousand. A reader on the same broker checks that every window
arrives once. Everything is published under the site ``simulated`` and cleared away at the end.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from agent.commands.simulate.device import VirtualDevice
from agent.commands.simulate.report import SimulationReport, Traffic, processor_seconds
from agent.contract import counts_message, new_session_id, topics
from agent.errors import BrokerError, ConfigError
from agent.fleet import FleetView, Reader, SourceView, WatchFilter
from agent.mqtt import Backoff, BrokerLink, Received
from agent.publisher import Delivery, Outbox, Route, Stamper, WaitingWindow, WallClock
from agent.settings import MqttSettings, is_loopback

SITE: Final = "simulated"
MAX_DEVICES: Final = 20_000
_REPLAY_PER_S: Final = 500.0
_STEP_S: Final = 0.02
_SETTLE_S: Final = 20.0
"""After the last window closes: time to acknowledge and arrive."""


@dataclass(frozen=True, slots=True)
class SimulationPlan:
    """How much to simulate; the run takes about ``windows`` · ``window_s`` seconds."""

    devices: int = 100
    windows: int = 10
    """Of each device."""
    window_s: float = 1.0
    connections: int = 8
    seed: int = 1

    def check(self, settings: MqttSettings, *, allow_remote: bool) -> None:
        """Refuse what would hurt.

        Raises:
            ConfigError: Out of bounds, or a broker elsewhere without leave.
        """
        if not is_loopback(settings.host) and not allow_remote:
            raise ConfigError(
                f"simulate would flood {settings.host}: use a broker on this machine, or give --allow-remote"
            )
        bounds = ("devices", self.devices, MAX_DEVICES), ("connections", self.connections, 64)
        for name, value, highest in bounds:
            if not 1 <= value <= highest:
                raise ConfigError(f"--{name} {value} is out of bounds: choose 1 to {highest}")
        if self.windows < 1 or not 0.05 <= self.window_s <= 3_600.0:  # noqa: PLR2004 - stated in the message
            raise ConfigError("--windows must be at least 1 and --window-s between 0.05 and 3600")


def simulate(
    settings: MqttSettings,
    plan: SimulationPlan,
    *,
    allow_remote: bool = False,
    broker_pid: int | None = None,
) -> SimulationReport:
    """Run ``plan`` to its end and tell how it went; about ``plan.windows * plan.window_s`` seconds.

    Args:
        settings: The broker; its user must be allowed to write and read ``<root>/v1/simulated/#``.
        plan: How much.
        allow_remote: Leave to load a broker on another machine.
        broker_pid: Process whose processor time is reported; None finds a mosquitto on this machine.

    Raises:
        ConfigError: The plan is out of bounds.
        BrokerError: The broker can't be reached or refuses.
    """
    plan.check(settings, allow_remote=allow_remote)
    devices = [
        VirtualDevice(f"device-{number:05d}", random.Random(f"{plan.seed}/{number}"))  # noqa: S311 - a load
        for number in range(plan.devices)
    ]
    arrivals = _Arrivals(settings.root)
    started_s, cpu_s = time.monotonic(), processor_seconds(broker_pid)
    lines = [_Line(settings, plan, devices[k :: plan.connections], k) for k in range(plan.connections)]
    with Reader(settings, WatchFilter(SITE), name="simulate").reading(arrivals.take):
        for line in lines:
            line.start()
        for line in lines:
            line.join()
        failures = [line.failure for line in lines if line.failure]
        if failures:
            raise BrokerError(failures[0])
        arrivals.wait_for(plan.devices * plan.windows)
        elapsed_s, used_s = time.monotonic() - started_s, processor_seconds(broker_pid)
    return SimulationReport(
        devices=plan.devices,
        windows_closed=plan.devices * plan.windows,
        windows_arrived=len(arrivals.latencies_ms),
        duplicates=sum(source.duplicates for source in arrivals.sources),
        missing=sum(source.missing for source in arrivals.sources),
        elapsed_s=elapsed_s,
        traffic=Traffic.total(line.traffic for line in lines),
        latencies_ms=tuple(sorted(arrivals.latencies_ms)),
        broker_cpu=None if cpu_s is None or used_s is None else (used_s - cpu_s) / elapsed_s,
    )


class _Line(threading.Thread):
    """One connection with its share of the devices."""

    def __init__(
        self, settings: MqttSettings, plan: SimulationPlan, devices: Sequence[VirtualDevice], number: int
    ) -> None:
        super().__init__(name=f"simulate-{number}", daemon=True)
        self.failure = ""
        self.traffic = Traffic()
        self._settings = settings
        self._plan = plan
        self._devices = devices
        self._clock = WallClock()
        self._session_id = new_session_id()
        self._client_id = f"emotion-agent-simulate-{number}-{self._session_id[:8]}"
        self._route = Route(
            topic=lambda window: self._counts_topic(window.source),
            outbox=Outbox(plan.windows * max(1, len(devices))),
            stamper=Stamper(self._clock),
            backoff=Backoff(first_s=0.2, cap_s=5.0),
            replay_interval_s=1.0 / _REPLAY_PER_S,
        )

    def run(self) -> None:
        """Connect, publish every window on time, reconnect when need be, clear up."""
        if not self._devices:
            return
        opened_s, closed = time.monotonic(), 0
        total = len(self._devices) * self._plan.windows
        give_up_s = opened_s + self._plan.windows * self._plan.window_s + _SETTLE_S
        link = self._connect(give_up_s)
        while link is not None and time.monotonic() < give_up_s:
            delivery = Delivery(link, self._route)
            while link.alive and time.monotonic() < give_up_s:
                closed = self._close_due(opened_s, closed, total)
                delivery.send_due()
                link.step(_STEP_S)
                delivery.settle()
                if closed == total and self._route.outbox.depth == 0:
                    self._clear(link)
                    link.disconnect()
                    return
            self._route.outbox.release()
            link = self._connect(give_up_s)
        self.failure = self.failure or "the broker did not take all windows in time: simulate fewer devices"

    def _connect(self, give_up_s: float) -> BrokerLink | None:
        while time.monotonic() < give_up_s:
            link = BrokerLink(self._settings, self._client_id)
            try:
                link.open()
            except BrokerError as error:
                self.failure = str(error)
                time.sleep(self._route.backoff.next_delay_s())
                continue
            self.failure = ""
            self._greet(link)
            return link
        return None

    def _greet(self, link: BrokerLink) -> None:
        for leaf, topic, payload in self._retained():
            link.publish(topic, payload, retain=True)
            self.traffic.add(leaf, topic, payload)

    def _close_due(self, opened_s: float, closed: int, total: int) -> int:
        """Close the windows whose time has come; the devices' windows are spread evenly over time."""
        elapsed_s = time.monotonic() - opened_s
        due = min(total, int(elapsed_s / self._plan.window_s * len(self._devices)))
        for number in range(closed, due):
            seq, index = divmod(number, len(self._devices))
            device = self._devices[index]
            window, told = device.window(seq, time.monotonic(), self._plan.window_s)
            stamps = self._clock.stamps(window.opened_at_s, window.closed_at_s)
            message = counts_message(window, told, self._session_id, stamps)
            waiting = WaitingWindow(device.name, message, window.opened_at_s, window.closed_at_s, "")
            self._route.outbox.put(waiting, online=True)
            self.traffic.add("counts", self._counts_topic(device.name), message.payload())
        return due

    def _clear(self, link: BrokerLink) -> None:
        """Take the retained messages back."""
        pending = {link.publish(topic, b"", retain=True) for _, topic, _ in self._retained()}
        give_up_s = time.monotonic() + _SETTLE_S
        while link.alive and pending and time.monotonic() < give_up_s:
            link.step(_STEP_S)
            while link.acknowledged:
                pending.discard(link.acknowledged.popleft().ticket)

    def _retained(self) -> Iterator[tuple[str, str, bytes]]:
        """Leaf, topic and payload of what each device keeps at the broker."""
        for device in self._devices:
            for leaf, payload in device.greeting(self._session_id, self._plan.window_s).items():
                yield leaf, topics.device_topic(self._identity(device.name), leaf), payload

    def _identity(self, device: str) -> topics.Identity:
        return topics.Identity(SITE, device, self._settings.root)

    def _counts_topic(self, device: str) -> str:
        # Windows of many devices share one outbox: there, the device's name stands for the source.
        return topics.counts_topic(self._identity(device), "camera")


class _Arrivals:
    """Takes in what the fleet says, as a dashboard would; the reader's thread feeds it."""

    def __init__(self, root: str) -> None:
        self.latencies_ms: list[float] = []
        """Of each window that arrived, counted once."""
        self._view = FleetView(root)

    def take(self, message: Received) -> None:
        """One message."""
        told = self._view.feed(message.topic, message.payload, time.monotonic())
        if told is not None and told.window is not None and not told.duplicate:
            self.latencies_ms.append(max(0.0, time.time() - told.window.window_end.timestamp()) * 1000.0)

    def wait_for(self, windows: int) -> None:
        """Until so many have arrived, or no more can be hoped for."""
        give_up_s = time.monotonic() + _SETTLE_S
        while len(self.latencies_ms) < windows and time.monotonic() < give_up_s:
            time.sleep(_STEP_S)

    @property
    def sources(self) -> list[SourceView]:
        """Of all devices."""
        return [source for _, _, source in self._view.rows()]
