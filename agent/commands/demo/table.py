"""The demo's live table: what arrived through MQTT, window by window, and nothing that did not."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from agent.domain import LABELS
from agent.fleet import DeviceView, FleetView, SeenBirth, SeenCounts, SeenHealth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.mqtt import Received

_ROWS: Final = 10


class Arrivals:
    """Messages of one device, fed by the reader's thread and drawn by the console's.

    Args:
        root: Of the device's topics.
    """

    def __init__(self, root: str) -> None:
        self.received = 0
        self.totals = Counter(dict.fromkeys(LABELS, 0))
        self.gone = threading.Event()
        """The device has said goodbye."""
        self._windows: deque[SeenCounts] = deque(maxlen=_ROWS)
        self._view = FleetView(root)
        # Held while one message is taken in or one table drawn: the deque must not change under the loop.
        self._lock = threading.Lock()

    @property
    def availability(self) -> str:
        """In one word."""
        return "online" if self._device is not None and self._device.online else "offline"

    def take(self, message: Received) -> None:
        """Take in one message."""
        with self._lock:
            told = self._view.feed(message.topic, message.payload, time.monotonic())
            if told is not None and told.online is False:
                self.gone.set()
            if told is not None and told.window is not None and not told.duplicate:
                self.received += 1
                self._windows.append(told.window)
                self.totals.update(told.window.counts or {})

    def render(self) -> Group:
        """The table as it stands."""
        table = Table(title="counts received over MQTT", title_justify="left")
        table.add_column("window (UTC)", no_wrap=True)
        table.add_column("people", justify="right", style="bold")
        with self._lock:
            labels = LABELS if self.expressions else ()
            for label in (*labels, "coverage"):
                table.add_column(label, justify="right")
            for window in self._windows:
                table.add_row(*_cells(window, labels))
            return Group(Text(self._headline()), table)

    def lines(self, after: int) -> list[str]:
        """One line for each window after the first ``after`` ones, for output that is no terminal."""
        with self._lock:
            fresh = self.received - after
            return [_line(window) for window in list(self._windows)[-fresh:]] if fresh > 0 else []

    @property
    def expressions(self) -> bool:
        """Whether the device infers any; so it is taken to until it says that it doesn't."""
        birth = None if self._device is None else self._device.birth
        return birth is None or birth.expressions is not False

    @property
    def _device(self) -> DeviceView | None:
        return next(iter(self._view.devices.values()), None)

    def _headline(self) -> str:
        device = self._device
        networks = _networks(device.birth) if device is not None and device.birth is not None else []
        pace = _pace(device.health) if device is not None and device.health is not None else []
        return " · ".join([f"agent {self.availability}", *networks, *pace])


def _networks(birth: SeenBirth) -> list[str]:
    parts = [birth.backend or ""]
    if birth.models is not None:
        detector, classifier = birth.models.detector, birth.models.classifier
        names = detector.id if classifier is None else f"{detector.id} + {classifier.id}"
        parts = [f"{names} ({detector.precision})", *parts]
    return parts


def _pace(health: SeenHealth) -> list[str]:
    p99_ms, fps = health.latency_ms.p99, health.fps
    pace = "first window to come"
    if p99_ms is not None and fps is not None:
        pace = f"{fps:.0f} fps · p99 {p99_ms:.0f} ms"
    return [pace] if health.rss_mb is None else [pace, f"{health.rss_mb:.0f} MB"]


def _cells(window: SeenCounts, labels: Sequence[str]) -> list[str]:
    opened = "?" if window.window_start is None else f"{window.window_start:%H:%M:%S}"
    span = f"{opened} - {window.window_end:%H:%M:%S}"
    coverage = f"{window.coverage:.0%}"
    if window.suppressed:
        return [span, "few", *("" for _ in labels), coverage]
    votes = [str((window.counts or {}).get(label) or "·") for label in labels]
    return [span, str(window.people), *votes, coverage]


def _line(window: SeenCounts) -> str:
    span, people, coverage = _cells(window, ())
    votes = ", ".join(f"{label} {count}" for label, count in (window.counts or {}).items() if count)
    told = "" if window.counts is None else f": {votes or 'nobody'}"
    return f"{span} UTC  people {people}{told}  (coverage {coverage})"
