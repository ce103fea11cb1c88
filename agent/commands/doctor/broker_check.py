"""Whether the broker can be reached, and by TLS where that is configured; nothing is sent to it."""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent.errors import AgentError
from agent.mqtt import tls_context

if TYPE_CHECKING:
    from agent.settings import MqttSettings

CONNECT_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class BrokerFacts:
    """One attempt."""

    address: str
    """Host and port."""
    tls: bool
    reachable: bool
    """Up to the end of the TLS handshake, where there is one; the login is the agent's business."""
    detail: str
    ms: float | None = None
    """From the first packet to there; None where it failed."""


def check_broker(settings: MqttSettings, timeout_s: float = CONNECT_TIMEOUT_S) -> BrokerFacts:
    """Connect, shake hands, hang up."""
    host, port = settings.host, settings.effective_port
    started_s = time.monotonic()
    ms = None
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as connection:
            detail = _shake_hands(connection, settings)
        ms = round(1000.0 * (time.monotonic() - started_s), 1)
    except (AgentError, OSError, ValueError) as error:
        detail = _in_words(error)
    return BrokerFacts(f"{host}:{port}", settings.uses_tls, ms is not None, detail, ms)


def _shake_hands(connection: socket.socket, settings: MqttSettings) -> str:
    context = tls_context(settings)
    if context is None:
        return "TCP connection accepted"
    with context.wrap_socket(connection, server_hostname=settings.host) as secured:
        return f"{secured.version()}, certificate verified"


def _in_words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted ({error.verify_message}): set mqtt.ca_file"
    if isinstance(error, socket.gaierror):
        return "the name can't be resolved: correct mqtt.host or the network's DNS"
    if isinstance(error, TimeoutError):
        return "no answer: correct mqtt.host and mqtt.port, or let the firewall pass it"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused: start the broker or correct mqtt.port"
    return str(error) or type(error).__name__
