"""What the processor is and can do."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Final

from agent.host.files import read_fields, read_if_there

CPUINFO: Final = Path("/proc/cpuinfo")
_TOPOLOGY: Final = Path("/sys/devices/system/cpu")


def read_cpu_flags(cpuinfo: Path = CPUINFO) -> frozenset[str]:
    """Instruction-set flags of the first core as Linux names them; empty where it doesn't say."""
    fields = read_fields(cpuinfo)
    return frozenset((fields.get("flags") or fields.get("Features", "")).split())


def default_threads() -> int:
    """One per physical core that this process may use, less one for capture and MQTT; at least one."""
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    cores = {
        read_if_there(_TOPOLOGY / f"cpu{cpu}" / "topology" / "thread_siblings_list") or str(cpu)
        for cpu in usable
    }
    return max(1, len(cores) - 1)


def cpu_model(cpuinfo: Path = CPUINFO) -> str:
    """The processor's name as Linux tells it; a board's name where the processor has none."""
    fields = read_fields(cpuinfo)
    names = (fields.get(key) for key in ("model name", "Model", "Hardware", "CPU part"))
    return next(filter(None, names), None) or platform.processor()
