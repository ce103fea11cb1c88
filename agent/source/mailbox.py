"""The hand-off between capture threads and the pipeline: one slot per source, the latest frame wins."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.frame import Frame


class Mailbox:
    """Holds at most one frame per source. A newer frame replaces one that nobody has taken."""

    def __init__(self, sources: Sequence[str]) -> None:
        # The condition's lock protects every attribute below; it is never held while a frame is
        # captured or processed.
        self._changed = threading.Condition()
        self._slots: dict[str, Frame | None] = dict.fromkeys(sources)
        self._dropped: dict[str, int] = dict.fromkeys(sources, 0)
        self._turns = list(sources)
        self._closed = False

    def put(self, frame: Frame, *, wait: bool = False) -> bool:
        """Leave a frame for its source.

        Args:
            frame: ``frame.source`` must be one of the mailbox's sources.
            wait: Wait until the slot is empty instead of replacing what is in it; :meth:`close` ends
                the wait.

        Returns:
            False when the mailbox is closed and the frame was not kept.
        """
        name = frame.source
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._closed or self._slots[name] is None)
            if self._closed:
                return False
            if self._slots[name] is not None:
                self._dropped[name] += 1
            self._slots[name] = frame
            self._changed.notify_all()
            return True

    def take(self, timeout_s: float) -> Frame | None:
        """Remove and return a waiting frame, taking turns among the sources that have one.

        Args:
            timeout_s: Longest wait in seconds; 0 only looks.

        Returns:
            None when no frame came in time or the mailbox is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting() is not None, timeout_s)
            name = self._waiting()
            if name is None:
                return None
            frame = self._slots[name]
            self._slots[name] = None
            # Whoever was just served waits behind all others.
            self._turns.remove(name)
            self._turns.append(name)
            self._changed.notify_all()
            return frame

    def _waiting(self) -> str | None:
        return next((name for name in self._turns if self._slots[name] is not None), None)

    @property
    def empty(self) -> bool:
        """Whether no frame waits."""
        with self._changed:
            return self._waiting() is None

    def dropped_by(self, source: str) -> int:
        """Frames of one source replaced before anyone took them, since the start."""
        with self._changed:
            return self._dropped[source]

    def close(self) -> None:
        """Let go of waiting frames and wake everyone who waits; later frames are refused."""
        with self._changed:
            self._closed = True
            self._slots = dict.fromkeys(self._slots)
            self._changed.notify_all()
