"""Getting a broker link without blocking: a connecting thread, a wake-up call, and jittered waits."""

from __future__ import annotations

import logging
import random
import select
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from agent.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.mqtt.link import BrokerLink

logger = logging.getLogger(__name__)


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


class Backoff:
    """Full-jitter exponential delays: uniform in [``floor_s``, min(``cap_s``, ``first_s`` · 2ⁿ)].

    Spreads a fleet's return after its broker restarts (Brooker, "Exponential Backoff and Jitter", 2015).
    """

    def __init__(
        self,
        first_s: float = 1.0,
        cap_s: float = 60.0,
        floor_s: float = 0.1,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._first_s = first_s
        self._cap_s = cap_s
        self._floor_s = floor_s
        self._draw = draw
        self._ceiling_s = first_s

    def next_delay_s(self) -> float:
        """Seconds to wait before the next attempt."""
        ceiling_s = self._ceiling_s
        self._ceiling_s = min(self._cap_s, ceiling_s * 2.0)
        return max(self._floor_s, self._draw(self._floor_s, ceiling_s))

    def reset(self) -> None:
        """The last attempt worked and lasted."""
        self._ceiling_s = self._first_s


class Dial:
    """Opens a link in a thread of its own, because a name server or a TLS peer may block for long."""

    def __init__(self, link: BrokerLink, wake: Wake) -> None:
        self.link = link
        self.error: BrokerError | None = None
        """Set before ``finished`` when the attempt failed."""
        self.finished = threading.Event()
        self._wake = wake
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mqtt-connect", daemon=True)
        self._thread.start()

    def abandon(self) -> None:
        """Close the link as soon as the attempt returns; nobody waits for it."""
        self._abandoned.set()

    def _run(self) -> None:
        try:
            self.link.open(self._abandoned)
        except BrokerError as error:
            self.error = error
        except Exception as error:  # thread top: an unforeseen failure is one failed attempt
            logger.exception("connecting failed unexpectedly")
            self.error = BrokerError(f"connecting failed unexpectedly ({error}): see the log")
        if self._abandoned.is_set():
            self.link.close()
        self.finished.set()
        self._wake.set()
