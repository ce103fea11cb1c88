"""Why a broker could not be reached or said no, as one sentence with a remedy."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from paho.mqtt.reasoncodes import ReasonCode

    from agent.settings import MqttSettings

_EXPIRED: Final = 10
_NOT_YET_VALID: Final = 9
_WRONG_HOST: Final = frozenset({62, 64})
"""X509_V_ERR codes of OpenSSL (x509_vfy.h): certificate dates, host name or address mismatch."""

_LOGIN: Final = "check mqtt.username / mqtt.password_file and the broker's access list"

_REASONS: Final = {
    "Bad user name or password": ("bad user name or password for {broker}", _LOGIN),
    "Not authorized": ("{broker} refuses this user (not authorised, or bad user name or password)", _LOGIN),
    "Banned": ("{broker} has banned this client", "ask its operator"),
    "Client identifier not valid": ("{broker} refuses the client id", "set mqtt.client_id to one it accepts"),
    "Unsupported protocol version": (
        "{broker} does not speak this MQTT version",
        'set mqtt.protocol to the other of "3.1.1" and "5"',
    ),
    "Server unavailable": ("{broker} is not available now", "ask its operator if this lasts"),
    "Server busy": ("{broker} is busy", "nothing to do unless this lasts"),
    "Session taken over": (
        "{broker} gave this client id to another connection",
        "give each device its own deployment.device or mqtt.client_id",
    ),
    "Server shutting down": ("{broker} is shutting down", "nothing to do unless this lasts"),
    "Keep alive timeout": ("{broker} heard nothing for too long", "check the network"),
    "Quota exceeded": ("{broker} says a quota is exceeded", "ask its operator"),
    "Packet too large": ("{broker} says a message is too large", "raise its limit to 64 KiB"),
}
"""Names of reason codes (MQTT 5.0 section 2.4; 3.1.1 codes are mapped to them) to sentence and remedy."""


def broker_name(settings: MqttSettings) -> str:
    """How messages call the broker."""
    return f"broker {settings.host}:{settings.effective_port}"


def explain_reason(settings: MqttSettings, reason: ReasonCode) -> str:
    """A refused CONNECT or PUBLISH, or a DISCONNECT sent by the broker."""
    name = reason.getName()
    what, remedy = _REASONS.get(name, ("{broker} refused: " + name.lower(), "see the broker's log"))
    return f"{what.format(broker=broker_name(settings))}: {remedy}"


def explain_subscription(settings: MqttSettings, topic_filter: str) -> str:
    """A refused SUBSCRIBE."""
    broker = broker_name(settings)
    return f"{broker} refuses the subscription to {topic_filter}: check its access list for this user"


def explain_error(settings: MqttSettings, error: OSError | ValueError) -> str:
    """A connection attempt that failed before the broker spoke MQTT."""
    broker = broker_name(settings)
    match error:
        case ssl.SSLCertVerificationError():
            sentence = _explain_certificate(broker, error)
        case ssl.SSLError():
            why = getattr(error, "reason", None) or str(error)
            sentence = f"TLS with {broker} failed ({why}): check mqtt.port, mqtt.tls and the certificates"
        case socket.gaierror():
            sentence = f"can't resolve the name of {broker}: check mqtt.host and the device's DNS"
        case ConnectionRefusedError():
            sentence = f"{broker} is not listening: check mqtt.host and mqtt.port, and that the broker runs"
        case TimeoutError():
            sentence = f"{broker} does not answer: check the network and the firewall"
        case ConnectionResetError() | BrokenPipeError():
            sentence = f"{broker} hung up: check mqtt.port and mqtt.tls"
        case OSError():
            sentence = f"can't reach {broker} ({error.strerror or error}): check the network"
        case _:
            sentence = f"can't use the name of {broker} ({error}): check mqtt.host"
    return sentence


def explain_loss(settings: MqttSettings, library_error: str, *, accepted: bool) -> str:
    """A connection that ended without a word from the broker, before or after it was accepted."""
    broker = broker_name(settings)
    detail = f" ({library_error})" if library_error else ""
    if accepted:
        # Old brokers close the connection of a client id that another client takes, and say nothing.
        return (
            f"lost the connection to {broker}{detail}: check the network, the broker's log,"
            " and that no other device has the same mqtt.client_id"
        )
    if settings.uses_tls:
        # With TLS 1.3 a broker judges the client's certificate after the handshake has ended here.
        return (
            f"{broker} hung up right after the TLS handshake{detail}, as it does when it refuses a device's"
            " certificate: check mqtt.certificate_file and mqtt.key_file"
        )
    return f"{broker} hung up instead of answering{detail}: check mqtt.port and mqtt.tls"


def _explain_certificate(broker: str, error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == _EXPIRED:
        return f"the certificate of {broker} has expired: renew it, or set this device's clock"
    if error.verify_code == _NOT_YET_VALID:
        return f"the certificate of {broker} is not valid yet: set this device's clock"
    if error.verify_code in _WRONG_HOST:
        return f"the certificate of {broker} is for another host name: check mqtt.host or the certificate"
    return (
        f"the certificate of {broker} is not from a trusted authority ({error.verify_message}):"
        " set mqtt.ca_file to the authority's certificate"
    )
