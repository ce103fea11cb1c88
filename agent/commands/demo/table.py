"""The demo's live table: what arrived through MQTT, window by window, and nothing that did not."""

from __future__ import annotations

import json
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from agent.domain import LABELS

_ROWS: Final = 10
_TIME_OF_DAY: Final = slice(11, 19)
"""Of an RFC 3339 time: hours, minutes, seconds."""


@dataclass(slots=True)
class Arrivals:
    """Messages of one device, fed by the subscriber's thread and drawn by the console's."""

    windows: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_ROWS))
    availability: str = "offline"
    birth: dict[str, Any] = field(default_factory=dict)
    health: dict[str, Any] = field(default_factory=dict)
    received: int = 0
    totals: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LABELS, 0))
    # Held only while one message is taken in or one table drawn: the deque must not change under the loop.
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def feed(self, topic: str, payload: bytes) -> None:
        """Take in one message."""
        leaf = topic.rsplit("/", 2)
        with self._lock:
            if leaf[-1] == "availability":
                self.availability = payload.decode()
            elif leaf[-1] == "birth":
                self.birth = json.loads(payload)
            elif leaf[-1] == "health":
                self.health = json.loads(payload)
            elif leaf[-2] == "counts":
                self._count(json.loads(payload))

    def _count(self, window: dict[str, Any]) -> None:
        self.received += 1
        self.windows.append(window)
        for label, votes in (window["counts"] or {}).items():
            self.totals[label] += votes

    def render(self) -> Group:
        """The table as it stands."""
        table = Table(title="counts received over MQTT", title_justify="left")
        table.add_column("window (UTC)", no_wrap=True)
        table.add_column("people", justify="right", style="bold")
        for label in LABELS:
            table.add_column(label, justify="right")
        table.add_column("coverage", justify="right")
        with self._lock:
            for window in self.windows:
                table.add_row(*_cells(window))
            return Group(Text(self._headline()), table)

    def lines(self, after: int) -> list[str]:
        """One line for each window after the first ``after`` ones, for output that is no terminal."""
        with self._lock:
            fresh = self.received - after
            return [_line(window) for window in list(self.windows)[-fresh:]] if fresh > 0 else []

    def _headline(self) -> str:
        models = self.birth.get("models", {})
        parts = [f"agent {self.availability}"]
        if models:
            detector, classifier = models["detector"], models["classifier"]
            parts.append(f"{detector['id']} + {classifier['id']} ({detector['precision']})")
            parts.append(self.birth["backend"])
        if self.health:
            latency = self.health["latency_ms"]["p99"]
            told = None not in {latency, self.health["fps"]}
            figures = (
                f"{self.health['fps']:.0f} fps · p99 {latency:.0f} ms" if told else "first window to come"
            )
            parts.append(figures)
            parts.append(f"{self.health['rss_mb']:.0f} MB")
        return " · ".join(parts)


def _cells(window: dict[str, Any]) -> list[str]:
    span = f"{window['window_start'][_TIME_OF_DAY]} - {window['window_end'][_TIME_OF_DAY]}"
    coverage = f"{window['coverage']:.0%}"
    if window["suppressed"]:
        return [span, "few", *("" for _ in LABELS), coverage]
    votes = [str(window["counts"][label] or "·") for label in LABELS]
    return [span, str(window["people"]), *votes, coverage]


def _line(window: dict[str, Any]) -> str:
    span, people, *_ = _cells(window)
    counts = window["counts"] or {}
    votes = ", ".join(f"{label} {count}" for label, count in counts.items() if count)
    return f"{span} UTC  people {people}: {votes or 'nobody'}  (coverage {window['coverage']:.0%})"
