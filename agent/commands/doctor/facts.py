"""What kind of box this is, read from ``/proc`` and ``/sys``; None where it doesn't say."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.host import cpu_model, default_threads, read_cpu_flags, read_device, read_fields, read_if_there

EIGHT_BIT_FLAGS: Final[Mapping[str, str]] = {
    "avx_vnni": "VNNI",
    "avx512_vnni": "VNNI (AVX-512)",
    "amx_int8": "AMX INT8",
    "asimddp": "dot-product",
    "i8mm": "INT8 matrix",
}
"""Instructions that multiply bytes fast, by the kernel's name for them."""
VECTOR_FLAGS: Final[Mapping[str, str]] = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "asimd": "NEON",
    "asimdhp": "half precision",
}


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """One look at the box."""

    model: str
    """Of the board or the machine."""
    cpu: str
    machine: str
    """Instruction set, such as "aarch64"."""
    cores: int
    """That this process may use."""
    inference_threads: int
    """What ``models.threads = 0`` amounts to."""
    eight_bit: tuple[str, ...]
    """Fast INT8 instructions; empty where INT8 is emulated."""
    vector: tuple[str, ...]
    memory_mb: int | None
    cpu_temp_c: float | None
    throttled: bool | None
    throttle_reasons: tuple[str, ...]


def read_facts(root: Path = Path("/")) -> DeviceFacts:
    """Read everything now."""
    flags = read_cpu_flags(root / "proc" / "cpuinfo")
    readings = read_device(root)
    return DeviceFacts(
        model=_model(root) or platform.node(),
        cpu=cpu_model(root / "proc" / "cpuinfo"),
        machine=platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        inference_threads=default_threads(),
        eight_bit=tuple(word for flag, word in EIGHT_BIT_FLAGS.items() if flag in flags),
        vector=tuple(word for flag, word in VECTOR_FLAGS.items() if flag in flags),
        memory_mb=_memory_mb(root),
        cpu_temp_c=readings.cpu_temp_c,
        throttled=readings.throttled,
        throttle_reasons=readings.throttle_reasons,
    )


def _model(root: Path) -> str:
    """Board name from the device tree (ARM), else vendor and product from the firmware (x86)."""
    folder = root / "sys" / "class" / "dmi" / "id"
    words = [read_if_there(folder / name) for name in ("sys_vendor", "product_name")]
    return read_if_there(root / "proc" / "device-tree" / "model") or " ".join(filter(None, words))


def _memory_mb(root: Path) -> int | None:
    words = read_fields(root / "proc" / "meminfo").get("MemTotal", "").split()
    return int(words[0]) // 1024 if words else None
