"""Tells systemd how the service is doing; one datagram each, nothing without ``NOTIFY_SOCKET``.

Protocol: sd_notify(3).
"""

from __future__ import annotations

import logging
import os
import socket

logger = logging.getLogger(__name__)


class Notifier:
    """Sends state changes to the service manager that started this process."""

    def __init__(self, address: str | None = None) -> None:
        found = os.environ.get("NOTIFY_SOCKET") if address is None else address
        self._address = f"\0{found[1:]}" if found and found.startswith("@") else found

    def ready(self, status: str) -> None:
        """Start-up is complete."""
        self._send(f"READY=1\nSTATUS={status}")

    def alive(self) -> None:
        """Pipeline and delivery made progress; feeds the watchdog."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Shutdown has begun."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
                manager.sendto(message.encode(), self._address)
        except OSError as error:
            # The manager may be gone for a moment; the next message tries again.
            logger.debug("can't notify systemd: %s", error)
