"""What a reader of the fleet's topics knows: one view per device, fed message by message.

Everything read here was written by others, so nothing is trusted: sizes and numbers are bounded, payloads
that don't parse are counted, and text is made printable before anyone sees it.
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict, deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from agent.contract import Address, topics
from agent.errors import printable
from agent.fleet.seen import SeenBirth, SeenCounts, SeenDay, SeenHealth, SeenPolicy, Told

MAX_DEVICES: Final = 20_000
MAX_SOURCES: Final = 32
"""Of one device."""
MAX_VIEWS: Final = 32_768
"""Sources of all devices together; hostile ones take some 300 MB at most."""
MAX_NAME: Final = 63
"""Letters of a site, device or source; the settings allow no more."""
MAX_PAYLOAD_BYTES: Final = 65_536
SPARKLINE_WINDOWS: Final = 24
_MAX_GAPS: Final = 16
"""Runs of missing windows that are remembered of each session; those of older ones count as lost for good."""
_SESSIONS: Final = 4
"""Runs of a device whose numbering is remembered: windows of an earlier run may still arrive."""
_SILENT_WINDOWS: Final = 2.5
"""An online device without a window for this many window lengths is called silent."""


@dataclass(slots=True)
class Numbering:
    """Which windows of one session have arrived."""

    highest: int
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """First and last number of each run that has not arrived, in order."""
    lost: int = 0
    """Numbers in gaps that are not remembered any more."""

    @property
    def missing(self) -> int:
        """Windows that were numbered and have not arrived."""
        return self.lost + sum(last + 1 - first for first, last in self.gaps)

    def note(self, seq: int) -> bool:
        """Take in a number; False when it has arrived before."""
        if seq > self.highest:
            if seq > self.highest + 1:
                self.gaps.append((self.highest + 1, seq - 1))
            if len(self.gaps) > _MAX_GAPS:
                first, last = self.gaps.pop(0)
                self.lost += last + 1 - first
            self.highest = seq
            return True
        for index, (first, last) in enumerate(self.gaps):
            if first <= seq <= last:
                parts = (first, seq - 1), (seq + 1, last)
                self.gaps[index : index + 1] = [part for part in parts if part[0] <= part[1]]
                return True
        return False


@dataclass(slots=True)
class SourceView:
    """One camera of one device."""

    last: SeenCounts | None = None
    arrived_s: float = 0.0
    duplicates: int = 0
    totals: deque[int | None] = field(default_factory=lambda: deque(maxlen=SPARKLINE_WINDOWS))
    """People or crossings of the latest windows, oldest first; None for suppressed ones."""
    sessions: OrderedDict[str, Numbering] = field(default_factory=OrderedDict)

    @property
    def missing(self) -> int:
        """Windows that were numbered and have not arrived."""
        return sum(numbering.missing for numbering in self.sessions.values())

    def take(self, window: SeenCounts, now_s: float) -> bool:
        """Show a window; False when it has arrived before."""
        numbering = self.sessions.get(window.session_id)
        newest = numbering is None or window.seq > numbering.highest
        if numbering is None:
            # What came before the watching began is nobody's gap.
            self.sessions[window.session_id] = Numbering(window.seq)
            if len(self.sessions) > _SESSIONS:
                self.sessions.popitem(last=False)
        elif not numbering.note(window.seq):
            self.duplicates += 1
            return False
        self.arrived_s = now_s
        if newest:
            self.last = window
            self.totals.append(window.total)
        return True


@dataclass(slots=True)
class DeviceView:
    """One device as the broker tells of it."""

    site: str
    device: str
    online: bool | None = None
    """None until its availability has been seen."""
    birth: SeenBirth | None = None
    health: SeenHealth | None = None
    sources: dict[str, SourceView] = field(default_factory=dict)
    malformed: int = 0
    """Messages that were not understood."""
    first_seen_s: float = 0.0

    def state(self, now_s: float) -> str:
        """In one word: ``offline``, ``silent``, or what the device says of itself."""
        if self.online is False:
            return "offline"
        window_s = self.birth.policy.window_s if self.birth else SeenPolicy().window_s
        latest_s = max((view.arrived_s for view in self.sources.values()), default=self.first_seen_s)
        if now_s - latest_s > _SILENT_WINDOWS * window_s:
            return "silent"
        return printable(self.health.state) if self.health else "online" if self.online else "?"


class FleetView:
    """All devices under one root. ``feed`` and readers run in the same thread."""

    def __init__(self, root: str = "emotion-agent") -> None:
        self.root = root
        self.devices: dict[tuple[str, str], DeviceView] = {}
        self.messages = 0
        self.refused = 0
        """Messages beyond the bounds above."""
        self._views = 0

    def feed(self, topic: str, payload: bytes, now_s: float) -> Told | None:
        """Take in one message; what it told, or None if it is not (valid) v1.

        Never raises, whatever the bytes are.
        """
        address = topics.parse_topic(self.root, topic)
        if address is None:
            return None
        self.messages += 1
        longest = max(len(name) for name in (address.site, address.device, address.source))
        view = None if longest > MAX_NAME else self._view(address, now_s)
        if view is None or len(payload) > MAX_PAYLOAD_BYTES:
            self.refused += 1
            return None
        told = None
        with suppress(ValueError, RecursionError):
            told = self._take(view, address, payload, now_s)
        view.malformed += told is None
        return told

    def rows(self) -> Iterable[tuple[DeviceView, str, SourceView]]:
        """Every camera of every device, by site, device and source; devices without windows have one row."""
        for key in sorted(self.devices):
            view = self.devices[key]
            for source in sorted(view.sources) or [""]:
                yield view, source, view.sources.get(source) or SourceView()

    def _view(self, address: Address, now_s: float) -> DeviceView | None:
        key = (address.site, address.device)
        if key not in self.devices:
            if len(self.devices) >= MAX_DEVICES:
                return None
            self.devices[key] = DeviceView(*key, first_seen_s=now_s)
        return self.devices[key]

    def _take(self, view: DeviceView, address: Address, payload: bytes, now_s: float) -> Told | None:
        if address.kind == "availability":
            if payload not in {topics.ONLINE.encode(), topics.OFFLINE.encode()}:
                return None
            view.online = payload == topics.ONLINE.encode()
            return Told(address, online=view.online)
        message = _plain(payload)
        if address.kind == "birth":
            view.birth = SeenBirth.model_validate_json(payload)
        elif address.kind == "health":
            view.health = SeenHealth.model_validate_json(payload)
        elif address.kind == "day":
            SeenDay.model_validate_json(payload)
        else:
            window = SeenCounts.model_validate_json(payload)
            if address.source not in view.sources:
                if len(view.sources) >= MAX_SOURCES or self._views >= MAX_VIEWS:
                    return None
                view.sources[address.source] = SourceView()
                self._views += 1
            source = view.sources[address.source]
            fresh = source.take(window, now_s)
            return Told(address, message, window=window, duplicate=not fresh, missing=source.missing)
        return Told(address, message)


def _plain(payload: bytes) -> object:
    """The JSON in it; Python's reader takes NaN and 1e999 too, which nobody may write.

    Raises:
        ValueError: It is none.
    """
    return json.loads(payload, parse_constant=_finite, parse_float=_finite)


def _finite(number: str) -> float:
    if not math.isfinite(value := float(number)):
        msg = f"{number} is no JSON number"
        raise ValueError(msg)
    return value
