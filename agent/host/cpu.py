"""What the processor is and can do."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Final

CPUINFO: Final = Path("/proc/cpuinfo")
_TOPOLOGY: Final = Path("/sys/devices/system/cpu")


def read_cpu_flags(cpuinfo: Path = CPUINFO) -> frozenset[str]:
    """Instruction-set flags of the first core as Linux names them; empty where it doesn't say."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in {"flags", "Features"}:
            return frozenset(value.split())
    return frozenset()


def default_threads() -> int:
    """One per physical core that this process may use, less one for capture and MQTT; at least one."""
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    cores: set[str] = set()
    for cpu in usable:
        siblings = _TOPOLOGY / f"cpu{cpu}" / "topology" / "thread_siblings_list"
        try:
            cores.add(siblings.read_text(encoding="ascii"))
        except OSError:
            cores.add(str(cpu))
    return max(1, len(cores) - 1)


def cpu_model(cpuinfo: Path = CPUINFO) -> str:
    """The processor's name as Linux tells it; a board's name where the processor has none."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor()
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    for key in ("model name", "Model", "Hardware", "CPU part"):
        if fields.get(key):
            return fields[key]
    return platform.processor()
