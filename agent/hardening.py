"""Keeps the process's memory to itself: no core dump, and no other process of the same user reads it."""

from __future__ import annotations

import ctypes
import logging
import os
import resource
from typing import Final

logger = logging.getLogger(__name__)

_PR_GET_DUMPABLE: Final = 3
_PR_SET_DUMPABLE: Final = 4
"""From linux/prctl.h; see prctl(2)."""


def harden() -> None:
    """Forbid core dumps, and ptrace and ``/proc/<pid>/mem`` to everybody but root.

    The systemd unit asks for the same; here it also holds for a run from a terminal. What the system
    refuses is logged and does not stop the agent.
    """
    _forbid_core_files()
    _make_undumpable()


def is_dumpable() -> bool:
    """Whether a crash could leave a core dump, or another process of this user could read the memory."""
    return bool(ctypes.CDLL(None).prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0))


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
