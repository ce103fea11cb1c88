"""Every way to be without a broker is one sentence that names the broker and a remedy."""

from __future__ import annotations

import socket
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from agent.mqtt.refusals import explain_error, explain_loss, explain_reason
from agent.settings import MqttSettings

SETTINGS = MqttSettings(host="broker.example", port=8883)
NAME = "broker broker.example:8883"


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "mqtt.port"),
        (socket.gaierror(-2, "Name or service not known"), "DNS"),
        (TimeoutError("timed out"), "firewall"),
        (ConnectionResetError(104, "reset"), "mqtt.tls"),
        (OSError(113, "No route to host"), "No route to host"),
        (ssl.SSLError(1, "wrong version number"), "mqtt.tls"),
        (ValueError("label too long"), "mqtt.host"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_failed_attempts_name_the_broker_and_what_to_check(error: OSError | ValueError, says: str) -> None:
    sentence = explain_error(SETTINGS, error)
    assert NAME in sentence
    assert says in sentence
    assert ": " in sentence


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Bad user name or password", f"bad user name or password for {NAME}: check mqtt.username"),
        ("Not authorized", "mqtt.password_file"),
        ("Client identifier not valid", "mqtt.client_id"),
        ("Unsupported protocol version", "mqtt.protocol"),
        ("Server unavailable", "not available"),
        ("Implementation specific error", "see the broker's log"),
    ],
)
def test_refusals_are_told_in_words(name: str, says: str) -> None:
    assert says in explain_reason(SETTINGS, ReasonCode(PacketTypes.CONNACK, name))


def test_a_taken_client_id_points_at_two_devices_with_one_name() -> None:
    reason = ReasonCode(PacketTypes.DISCONNECT, "Session taken over")
    assert "deployment.device" in explain_reason(SETTINGS, reason)


@given(st.text(max_size=40), st.booleans())
def test_a_lost_connection_never_goes_unexplained(detail: str, accepted: bool) -> None:  # noqa: FBT001
    assert NAME in explain_loss(SETTINGS, detail, accepted=accepted)
