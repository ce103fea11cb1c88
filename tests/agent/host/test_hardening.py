"""A hardened process leaves no core dump and keeps its memory from its own user."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.places import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

NOBODY: Final = 65_534


def run(program: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_hardening_makes_the_process_undumpable_and_forbids_core_files() -> None:
    """In a process of its own, because there is no way back; doing it twice is harmless."""
    done = run(
        "import ctypes, resource; from agent.host.hardening import harden;"
        "prctl, PR_GET_DUMPABLE = ctypes.CDLL(None).prctl, 3;"
        "print(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)); harden(); harden();"
        "print(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))"
    )
    assert done.stdout.splitlines() == ["1", "0 (0, 0)"]
    assert done.stderr == ""


def test_a_crash_leaves_no_core_file(tmp_path: Path) -> None:
    """Even where the surroundings allow core files of any size."""
    done = run(
        "import os, resource as r; r.setrlimit(r.RLIMIT_CORE, (r.getrlimit(r.RLIMIT_CORE)[1],) * 2);"
        "from agent.host.hardening import harden; harden(); os.abort()",
        tmp_path,
    )
    assert done.returncode == -signal.SIGABRT
    assert list(tmp_path.iterdir()) == []


def test_a_freed_picture_does_not_stay_in_the_heap() -> None:
    """Of blocks of frame size that a library fills and frees, no page is left in the process."""
    done = run(
        "import ctypes; from agent.host.hardening import harden; harden();"
        "c = ctypes.CDLL(None); c.malloc.restype = ctypes.c_void_p;"
        "c.malloc.argtypes = [ctypes.c_size_t]; c.free.argtypes = [ctypes.c_void_p];"
        # The first block of a size teaches glibc to keep the next ones; small ones keep them from the edge.
        "c.free(c.malloc(300_000));"
        "blocks = [(c.malloc(300_000), c.malloc(4_000))[0] for _ in range(4)];"
        "[ctypes.memset(ctypes.c_void_p(b), 0xC5, 300_000) for b in blocks];"
        "[c.free(b) for b in blocks];"
        "regions = [line.split()[0].split('-') for line in open('/proc/self/maps') if ' rw' in line];"
        "memory = open('/proc/self/mem', 'rb', 0); found = 0\n"
        "for start, end in regions:\n"
        "    memory.seek(int(start, 16)); data = memory.read(int(end, 16) - int(start, 16))\n"
        # Not searched for with a needle, which would be found itself.
        "    found += sum(not data[at:at + 4096].strip(b'\\xc5') for at in range(0, len(data), 4096))\n"
        "print(found)"
    )
    assert done.stdout.strip() == "0", done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="changing user needs root")
@pytest.mark.parametrize(("hardened", "can_read"), [(False, True), (True, False)])
def test_another_process_of_the_same_user_can_not_read_the_memory(*, hardened: bool, can_read: bool) -> None:
    """An unprivileged child asks for its parent's memory map, which needs the same right as its memory."""
    done = run(
        "import ctypes, os, subprocess; from agent.host.hardening import harden;"
        f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY});"
        # Changing user clears the flag by itself; set it again as if the program had started as nobody.
        "ctypes.CDLL(None).prctl(4, 1, 0, 0, 0);"
        f"harden() if {hardened} else None;"
        "probe = subprocess.run(['cat', f'/proc/{os.getpid()}/maps'], capture_output=True);"
        "print(probe.returncode == 0)"
    )
    assert done.stdout.strip() == str(can_read), done.stderr
