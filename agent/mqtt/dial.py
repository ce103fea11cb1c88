"""Getting a broker link without blocking: a thread that connects."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from agent.errors import BrokerError

if TYPE_CHECKING:
    from agent.mqtt.link import BrokerLink
    from agent.mqtt.wake import Wake

logger = logging.getLogger(__name__)


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
