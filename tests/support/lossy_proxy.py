"""A TCP relay on loopback that can cut, swallow or refuse: the network's part in a fault."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING, Self

from tests.support.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


class LossyProxy:
    """Relays ``port`` to ``target_port`` until told otherwise.

    Without ``listening`` its port refuses connections until :meth:`listen`: a broker that does not exist yet.
    """

    def __init__(self, target_port: int, *, listening: bool = True) -> None:
        self._target_port = target_port
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._swallow = threading.Event()
        self._refuse = threading.Event()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()  # guards both lists only
        if listening:
            self.listen()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        # Closing alone would leave a thread in accept(), and the port in its hands.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        while self._threads:
            self.cut()
            self._threads[0].join(DEADLINE_S)
            assert not self._threads.pop(0).is_alive(), "a thread of the proxy does not end"

    def listen(self) -> None:
        """Take connections from now on."""
        self._listener.listen()
        self._start(self._accept)

    def cut(self) -> None:
        """Reset every connection."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    # A linger time of zero makes close() send RST.
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                _close(end, socket.SHUT_RD)

    def swallow(self, *, on: bool) -> None:
        """Accept bytes and deliver none, as a dead mobile link does; what was swallowed is gone."""
        if on:
            self._swallow.set()
        else:
            self.cut()
            self._swallow.clear()

    def refuse(self, *, on: bool) -> None:
        """Close new connections at once."""
        if on:
            self._refuse.set()
            self.cut()
        else:
            self._refuse.clear()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._refuse.is_set():
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._target_port), timeout=5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            with self._lock:
                self._pairs.append((near, far))
            for source, sink in ((near, far), (far, near)):
                self._start(self._relay, source, sink)

    def _start(self, target: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=target, args=arguments, name="proxy", daemon=True)
        with self._lock:
            self._threads.append(thread)
        thread.start()

    def _relay(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if not self._swallow.is_set():
                    sink.sendall(data)
        for end in (source, sink):
            _close(end, socket.SHUT_RDWR)


def _close(end: socket.socket, how: int) -> None:
    """Close it after waking the thread that waits in ``recv``, which would else keep the connection."""
    with contextlib.suppress(OSError):
        end.shutdown(how)
    with contextlib.suppress(OSError):
        end.close()
