"""Health of the box itself, read from ``/sys`` and ``/proc``: temperature, throttling, memory.

Every value is None where the board doesn't tell; nothing here raises because a file is absent.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.host.files import read_if_there

_CPU_ZONES: Final = ("cpu-thermal", "cpu_thermal", "cpu-therm", "x86_pkg_temp", "soc-thermal", "acpitz")
"""Types of thermal zones that tell the processor's temperature, best first, in lower case."""
_CPU_SENSORS: Final = ("cpu_thermal", "coretemp", "k10temp")
"""Names of hwmon chips that do, where no zone exists."""
_CPU_COOLERS: Final = ("thermal-cpufreq", "cpufreq", "processor")
"""Cooling devices that work by slowing the processor; a fan is none of them."""

_PI_BITS: Final = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")
"""Present conditions, bits 0 to 3 of the firmware's ``get_throttled`` (Raspberry Pi docs, "vcgencmd").
Bits 16 to 19 say the same of the time since boot and are left out: they never clear."""

_COLDEST_C: Final = -60.0
_HOTTEST_C: Final = 150.0
"""Beyond these a sensor is broken or switched off; some report -127 or 0xffff then."""


@dataclass(frozen=True, slots=True)
class DeviceReadings:
    """One look at the box."""

    rss_mb: float
    """Resident memory of this process in MiB."""
    cpu_temp_c: float | None
    """Processor temperature in degrees Celsius."""
    throttled: bool | None
    """Whether the processor is held back right now by heat or a weak supply."""
    throttle_reasons: tuple[str, ...] = ()
    """Why, in words; empty while not throttled."""


def read_device(root: Path = Path("/")) -> DeviceReadings:
    """Read all values now; takes well under a millisecond.

    Args:
        root: Where ``sys`` and ``proc`` are mounted.
    """
    reasons = _throttle_reasons(root)
    pages = read_if_there(root / "proc" / "self" / "statm").split()
    return DeviceReadings(
        rss_mb=round(int(pages[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20, 1) if len(pages) > 1 else 0.0,
        cpu_temp_c=_cpu_temperature_c(root),
        throttled=None if reasons is None else bool(reasons),
        throttle_reasons=reasons or (),
    )


def _cpu_temperature_c(root: Path) -> float | None:
    zones = _named(root, "sys/class/thermal", "thermal_zone*", "type", "temp")
    sensors = _named(root, "sys/class/hwmon", "hwmon*", "name", "temp1_input")
    for known, found in ((_CPU_ZONES, list(zones)), (_CPU_SENSORS, list(sensors))):
        for wanted in known:
            for name, value in found:
                if name.startswith(wanted) and _COLDEST_C < value / 1_000.0 < _HOTTEST_C:
                    return round(value / 1_000.0, 1)
    return None


def _throttle_reasons(root: Path) -> tuple[str, ...] | None:
    """None where nothing can tell."""
    word = _pi_throttled_word(root)
    if word is not None:
        return tuple(text for bit, text in enumerate(_PI_BITS) if word >> bit & 1)
    found = _named(root, "sys/class/thermal", "cooling_device*", "type", "cur_state")
    states = [state for name, state in found if name.startswith(_CPU_COOLERS)]
    if not states:
        return None
    return ("slowed down to cool",) if max(states) > 0 else ()


def _pi_throttled_word(root: Path) -> int | None:
    """The firmware's word in hexadecimal; its place differs between boards and kernels."""
    platform = root / "sys" / "devices" / "platform"
    for pattern in ("*/*firmware*/get_throttled", "*firmware*/get_throttled"):
        for path in sorted(platform.glob(pattern)):
            with suppress(ValueError):
                return int(read_if_there(path), 16)
    return None


def _named(
    root: Path, folder: str, pattern: str, name_file: str, value_file: str
) -> Iterator[tuple[str, int]]:
    """Name (lower case) and integer of each entry of a sysfs class that has both."""
    for entry in sorted((root / folder).glob(pattern)):
        name = read_if_there(entry / name_file).lower()
        with suppress(ValueError):
            if name:
                yield name, int(read_if_there(entry / value_file))
