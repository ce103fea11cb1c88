"""What happened to one source, kept for health and told in one log line per change of state."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from agent.domain import CameraStatus

logger = logging.getLogger(__name__)

HOUR_S: Final = 3600.0

_PICTURE_REMEDY: Final = {
    "black": "uncover the lens or light the room",
    "overexposed": "turn the camera away from the light or lower its exposure",
    "covered": "uncover or clean the lens",
    "frozen": "restart the camera",
}


class Journal:
    """Written by the source's thread, read by the one that reports health."""

    def __init__(self, name: str, stall_timeout_s: float, clock: Callable[[], float]) -> None:
        self._name = name
        self._stall_timeout_s = stall_timeout_s
        self._clock = clock
        # Protects every attribute below.
        self._lock = threading.Lock()
        self._state = "starting"
        self._reason = ""
        self._picture = "good"
        self._reconnects = 0
        # Bounded: stalls are at least stall_timeout_s >= 1 s apart.
        self._stalls_s: deque[float] = deque(maxlen=int(HOUR_S))
        self._stalled = False
        self._alive_at_s = clock()
        self.frames = 0

    def delivered(self, width_px: int, height_px: int) -> None:
        """Note a frame."""
        with self._lock:
            self._note_silence()
            self._alive_at_s = self._clock()
            self._stalled = False
            self.frames += 1
            if self._state == "delivering":
                return
            if self._state == "reopening" and self.frames > 1:
                self._reconnects += 1
            self._state = "delivering"
            self._reason = ""
        logger.info("source %s delivers %dx%d", self._name, width_px, height_px)

    def showed(self, picture: str) -> None:
        """Note what the delivered pictures show; ``good`` or one of the useless kinds."""
        with self._lock:
            if picture == self._picture:
                return
            self._picture = picture
            remedy = _PICTURE_REMEDY.get(picture)
            useless = f"sources.{self._name}: the picture is {picture}; {remedy}"
            self._reason = "" if remedy is None else useless
        if remedy is None:
            logger.info("source %s: the picture is good again", self._name)
        else:
            logger.warning("%s", useless)

    def failed(self, reason: str) -> None:
        """Note a failed attempt; only the first of a row is logged above DEBUG."""
        with self._lock:
            self._note_silence()
            changed = self._state != "reopening"
            self._state = "reopening"
            self._reason = reason
            self._picture = "good"
        logger.log(logging.WARNING if changed else logging.DEBUG, "%s", reason)

    def ended(self, reason: str) -> None:
        """Note that the thread is done."""
        with self._lock:
            self._state = "ended"
            self._reason = reason

    def status(self) -> CameraStatus:
        """A snapshot, which also notices a read that has not returned in time."""
        with self._lock:
            self._note_silence()
            now_s = self._clock()
            while self._stalls_s and now_s - self._stalls_s[0] > HOUR_S:
                self._stalls_s.popleft()
            stalls = len(self._stalls_s)
            return CameraStatus(self._state, self._reconnects, stalls, self._reason, self._picture)

    def _note_silence(self) -> None:
        silent_s = self._clock() - self._alive_at_s
        if self._state != "delivering" or self._stalled or silent_s < self._stall_timeout_s:
            return
        self._stalled = True
        self._stalls_s.append(self._clock())
        self._state = "reopening"
        self._reason = (
            f"sources.{self._name}: no frame for {silent_s:.0f} s; check the camera,"
            " which is reopened as soon as its driver returns"
        )
        logger.warning("%s", self._reason)
