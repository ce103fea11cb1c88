"""Keeps the process's memory to itself, and as little as possible in it.

No core dump, no other process of the same user reads it, and pictures that a library has freed are gone.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import resource
import signal
from typing import Final

logger = logging.getLogger(__name__)

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
"""From linux/prctl.h; see prctl(2)."""

_M_MMAP_THRESHOLD: Final = -3
"""From malloc.h; see mallopt(3)."""
_PICTURE_BYTES: Final = 64 * 1024
"""Blocks from this size on may be a picture; the smallest frame that is worth a detector is larger."""


def harden() -> None:
    """Forbid core dumps, and ptrace and ``/proc/<pid>/mem`` to everybody but root; let no picture linger.

    The systemd unit asks for the same; here it also holds for a run from a terminal. What the system
    refuses is logged and does not stop the agent.
    """
    _forbid_core_files()
    _make_undumpable()
    _give_freed_pictures_back()


def die_with_parent() -> None:
    """Have the kernel kill this process when the one that started it ends, however that ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _forbid_core_files() -> None:
    if resource.getrlimit(resource.RLIMIT_CORE) == (0, 0):
        return  # the unit has done it, and its sandbox may forbid the call
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError) as error:
        logger.warning("core dumps can't be switched off (%s); set LimitCORE=0 for this service", error)


def _make_undumpable() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        reason = os.strerror(ctypes.get_errno())
        logger.warning("this process stays readable to others of its user (%s); check its sandbox", reason)


def _give_freed_pictures_back() -> None:
    """Have large blocks unmapped when freed, so that a decoder's copy of a frame does not stay in the heap.

    glibc would raise its threshold at the first such block and keep the next ones, content and all. Steady
    running frees no large block, so this costs no measurable time. Other C libraries have no such switch.
    """
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _PICTURE_BYTES)
