"""A wake-up call that can be polled."""

from __future__ import annotations

import select
import socket
from contextlib import suppress


class Wake:
    """Lets other threads end a ``BrokerLink.step`` or ``wait`` early; an event that can be polled."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.settimeout(0.0)
        self._writer.settimeout(0.0)

    def fileno(self) -> int:
        """Readable while set."""
        return self._reader.fileno()

    def set(self) -> None:
        """Wake the waiter, now or at its next wait; harmless after ``close``."""
        with suppress(OSError):  # a full buffer is as good as set
            self._writer.send(b"\0")

    def clear(self) -> None:
        """Make the next wait block again."""
        with suppress(BlockingIOError):
            self._reader.recv(4096)

    def wait(self, timeout_s: float) -> None:
        """Return when set or after ``timeout_s``; clears it."""
        poller = select.poll()
        poller.register(self, select.POLLIN)
        poller.poll(max(0.0, timeout_s) * 1000.0)
        self.clear()

    def close(self) -> None:
        """No more waits."""
        self._reader.close()
        self._writer.close()
