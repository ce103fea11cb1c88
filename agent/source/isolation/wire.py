"""Messages between the agent and a camera process, one JSON object per packet of a Unix socket."""

from __future__ import annotations

import os
import select
import socket
import sys
import threading
from dataclasses import dataclass
from typing import Final

from agent.source.isolation.messages import Answer, Order, from_json, to_json

_LONGEST_MESSAGE_BYTES: Final = 65_536


class PeerGoneError(Exception):
    """The process at the other end has closed its socket or died, or talks nonsense."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One message and the file descriptor that came with it."""

    message: Order | Answer
    descriptor: int | None = None
    """Owned by whoever receives the packet."""


class Wire:
    """One end of a connected ``SOCK_SEQPACKET`` pair: packets arrive whole and in order."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        # Keeps the descriptor from being closed, and given to something else, while a message goes out.
        # Re-entrant, because a frame let go during a send announces that through this very object.
        self._open = threading.RLock()
        self._ready = select.poll()
        self._ready.register(end.fileno(), select.POLLIN)

    @staticmethod
    def pair() -> tuple[Wire, socket.socket]:
        """Our end, and the other end for a child process."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return Wire(ours), theirs

    def send(self, message: Order | Answer, descriptor: int | None = None) -> None:
        """Send one message, with a file descriptor if given.

        Raises:
            PeerGoneError: Nobody listens any more, or hasn't for hundreds of messages: a process that doesn't
                read is not waited for.
        """
        data = to_json(message)
        try:
            with self._open:
                # Not by socket.send_fds, which leaves the flags out.
                rights = [] if descriptor is None else [_rights(descriptor)]
                self._end.sendmsg([data], rights, socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
        except OSError as error:
            raise PeerGoneError from error

    def receive(self, timeout_s: float | None) -> Packet | None:
        """The next message; None when none came in time. None as timeout waits for ever.

        Raises:
            PeerGoneError: The other end is closed and everything it sent has been read; or it talks nonsense.
        """
        if not self._ready.poll(None if timeout_s is None else max(0.0, timeout_s) * 1000.0):
            return None
        try:
            data, descriptors, _, _ = socket.recv_fds(self._end, _LONGEST_MESSAGE_BYTES, 1)
        except OSError as error:
            raise PeerGoneError from error
        if not data:
            raise PeerGoneError
        for extra in descriptors[1:]:
            os.close(extra)
        descriptor = descriptors[0] if descriptors else None
        try:
            return Packet(from_json(data), descriptor)
        except ValueError as error:
            if descriptor is not None:
                os.close(descriptor)
            raise PeerGoneError from error

    def close(self) -> None:
        """Close this end; the other one notices."""
        with self._open:
            self._end.close()


def _rights(descriptor: int) -> tuple[int, int, bytes]:
    return socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptor.to_bytes(4, sys.byteorder)
