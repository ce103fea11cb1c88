"""What a simulation measured, and what it means for a fleet's network."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_DAY_S: Final = 86_400.0
_WINDOW_S: Final = 300.0
_HEALTH_S: Final = 30.0
"""Defaults of a real device, for the bytes of a day."""
_PUBLISH_OVERHEAD_BYTES: Final = 8
"""MQTT 5 around topic and payload: fixed header 3, topic length 2, packet id 2, no properties 1."""
_PUBACK_BYTES: Final = 4
_SEGMENT_BYTES: Final = 40 + 29
"""IPv4 and TCP headers without options, and a TLS 1.3 record; for PUBLISH, PUBACK and a bare TCP ACK."""
_TIMES_SEGMENTS: Final = 3


@dataclass(slots=True)
class Traffic:
    """Bytes that publishers handed to MQTT, by kind of message."""

    messages: Counter[str] = field(default_factory=Counter)
    mqtt_bytes: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, topic: str, payload: bytes) -> None:
        """One message and its acknowledgement."""
        self.messages[kind] += 1
        self.mqtt_bytes[kind] += len(topic) + len(payload) + _PUBLISH_OVERHEAD_BYTES + _PUBACK_BYTES

    def mean_bytes(self, kind: str) -> float:
        """MQTT bytes of one message of ``kind`` with its acknowledgement."""
        return self.mqtt_bytes[kind] / max(1, self.messages[kind])

    @staticmethod
    def total(parts: Iterable[Traffic]) -> Traffic:
        """Sum over connections."""
        whole = Traffic()
        for part in parts:
            whole.messages += part.messages
            whole.mqtt_bytes += part.mqtt_bytes
        return whole


@dataclass(frozen=True, slots=True)
class SimulationReport:
    """Figures of one run."""

    devices: int
    windows_closed: int
    windows_arrived: int
    """At the reader, each counted once."""
    duplicates: int
    missing: int
    """Numbers left out between windows that arrived."""
    elapsed_s: float
    traffic: Traffic
    latencies_ms: tuple[float, ...]
    """From closing to arrival, ascending."""
    broker_cpu: float | None
    """Cores used by the broker on average; None where its process is not known."""

    @property
    def complete(self) -> bool:
        """Every window arrived, none was left out."""
        return self.windows_arrived == self.windows_closed and self.missing == 0

    @property
    def device_day_bytes(self) -> tuple[int, int]:
        """Of a real device, windows of 300 s, health every 30 s: MQTT alone, and with TLS and TCP/IP."""
        windows, healths = _DAY_S / _WINDOW_S, _DAY_S / _HEALTH_S
        mqtt = windows * self.traffic.mean_bytes("counts") + healths * self.traffic.mean_bytes("health")
        wire = mqtt + (windows + healths) * _TIMES_SEGMENTS * _SEGMENT_BYTES
        return round(mqtt), round(wire)

    def lines(self) -> list[str]:
        """For people."""
        mqtt_mb, wire_mb = (size / 1e6 for size in self.device_day_bytes)
        sent = self.traffic.messages.total()
        cpu = "unknown" if self.broker_cpu is None else f"{self.broker_cpu:.0%} of one core"
        p50, p99 = self._latency_ms(0.50), self._latency_ms(0.99)
        return [
            f"{self.devices} devices closed {self.windows_closed} windows in {self.elapsed_s:.1f} s",
            f"arrived: {self.windows_arrived}, left out {self.missing}, twice {self.duplicates}",
            f"published: {sent} messages, {sent / self.elapsed_s:.0f} per second",
            f"from closing to arrival: {p50:.0f} ms at the median, {p99:.0f} ms at p99",
            f"broker: {cpu}",
            f"a real device's day (windows of 300 s, health every 30 s): {mqtt_mb:.2f} MB of MQTT",
            f"the same with TLS and TCP/IP: about {wire_mb:.2f} MB",
        ]

    def _latency_ms(self, share: float) -> float:
        ascending = self.latencies_ms or (0.0,)
        return ascending[min(len(ascending) - 1, int(share * len(ascending)))]


def processor_seconds(pid: int | None) -> float | None:
    """User and system time of ``pid`` so far; None looks for the one mosquitto of this machine."""
    found = [pid] if pid is not None else _processes_named("mosquitto")
    if len(found) != 1:
        return None
    try:
        # proc(5): after the command in brackets, utime and stime are the 12th and 13th field.
        fields = Path(f"/proc/{found[0]}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _processes_named(name: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended
            if (folder / "comm").read_text(encoding="utf-8").strip() == name:
                found.append(int(folder.name))
    return found
