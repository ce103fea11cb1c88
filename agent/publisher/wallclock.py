"""Monotonic instants as UTC, on boards whose clock may be wrong at boot and right minutes later.

Windows are measured on the monotonic clock, which never jumps. Their wall-clock stamps come from one
mapping "UTC = monotonic + offset", so that consecutive windows always touch. The mapping changes only
towards a clock that the kernel calls synchronised:

* An unsynchronised clock may jump as it likes: the first offset is kept, and windows are flagged.
* When the clock becomes synchronised, the mapping is taken anew, and unsent windows are stamped anew.
* When a synchronised clock disagrees by more than ``TOLERANCE_S`` (leap second, suspend, a step by the
  time service), the mapping is taken anew as well. A step back would make new windows overlap windows
  already sent as synchronised; ``agent.publisher.stamping`` keeps them apart.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from agent.domain import Stamps
from agent.host import read_if_there

TOLERANCE_S: Final = 0.5
"""Disagreement with a synchronised clock that is left alone: reading jitter and slewing."""

TIMESYNC_MARK: Final = Path("/run/systemd/timesync/synchronized")
"""Touched by systemd-timesyncd after its first synchronisation."""

_TIME_ERROR: Final = 5
"""``adjtimex`` returns this clock state while the clock is not synchronised (adjtimex(2))."""
_TIMEX_BYTES: Final = 512
"""More than ``struct timex`` has on any architecture; zeros mean "read only" (``modes`` comes first)."""


def clock_is_synchronised(mark: Path = TIMESYNC_MARK) -> bool:
    """Whether the kernel, or systemd-timesyncd, calls the wall clock synchronised.

    Reads only. Where a sandbox denies ``adjtimex`` the answer is timesyncd's alone.
    """
    if mark.exists():
        return True
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)
    try:
        state = int(ctypes.CDLL(None, use_errno=True).adjtimex(timex))
    except AttributeError:  # a C library without adjtimex
        return False
    return 0 <= state < _TIME_ERROR


def boot_id(path: Path = Path("/proc/sys/kernel/random/boot_id")) -> str:
    """Changes with every boot, when monotonic instants lose their meaning; empty where unknown."""
    return read_if_there(path)


@dataclass(frozen=True, slots=True)
class Mapping:
    """UTC seconds since 1970 = monotonic seconds + ``offset_s``."""

    offset_s: float
    synced: bool
    """Taken while the clock was synchronised."""


class WallClock:
    """The current mapping. One thread calls ``refresh``; any thread may read ``mapping``."""

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        synchronised: Callable[[], bool] = clock_is_synchronised,
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._synchronised = synchronised
        self.mapping = Mapping(self._offset_s(), synchronised())

    def refresh(self) -> bool:
        """Look at the clock again; True when the mapping changed and unsent windows need new stamps."""
        if not self._synchronised():
            return False
        offset_s = self._offset_s()
        if self.mapping.synced and abs(offset_s - self.mapping.offset_s) <= TOLERANCE_S:
            return False
        self.mapping = Mapping(offset_s, synced=True)
        return True

    @property
    def synced(self) -> bool:
        """Whether stamps made now are trustworthy; the ``clock_synced`` of health."""
        return self.mapping.synced

    @property
    def utc_offset_s(self) -> float | None:
        """UTC minus monotonic seconds; None until the clock is synchronised."""
        mapping = self.mapping
        return mapping.offset_s if mapping.synced else None

    def stamps(self, opened_at_s: float, closed_at_s: float) -> Stamps:
        """Of a window given by its monotonic ends; a window of no length gets two milliseconds."""
        mapping = self.mapping
        start_s = opened_at_s + mapping.offset_s
        end_s = max(closed_at_s + mapping.offset_s, start_s + 0.002)
        return Stamps(_utc(start_s), _utc(end_s), mapping.synced)

    def _offset_s(self) -> float:
        return self._wall() - self._monotonic()


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)
