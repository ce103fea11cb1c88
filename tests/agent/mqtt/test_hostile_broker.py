"""A broker that misbehaves costs a connection: never the memory, and never the way back."""

from __future__ import annotations

from socket import SO_SNDBUF, SOL_SOCKET
from typing import TYPE_CHECKING, Any

import paho.mqtt.publish
import pytest

from agent.errors import BrokerError
from agent.mqtt.bounded import MAX_PACKET_BYTES
from agent.mqtt.link import BrokerLink
from agent.settings import MqttSettings
from tests.support.hostile_broker import HostileBroker, Mode, Victim
from tests.support.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.mosquitto_fixtures import Broker

GROWTH_MB = 30.0
STATUS = "homeassistant/status"


def link_to(port: int, protocol: str = "5") -> BrokerLink:
    link = BrokerLink(MqttSettings(host="127.0.0.1", port=port, protocol=protocol), "test")
    link.open()
    link.subscribe(STATUS)
    return link


def step_until(link: BrokerLink, condition: Callable[[], object], what: str) -> None:
    """Serve the link until then."""

    def served() -> bool:
        for _ in range(500):
            link.step(0.05)
            if condition():
                return True
        return False

    wait_until(served, what)


def ended(link: BrokerLink) -> str:
    """Why the link ended, as it will."""
    step_until(link, lambda: not link.alive, "the link to end")
    link.close()
    return link.end_reason


def answered(link: BrokerLink) -> None:
    """A message more has gone to the broker and back."""
    ticket = link.publish("a", b"")
    step_until(link, lambda: not link.alive or link.acknowledged, "the broker to answer")
    assert [each.ticket for each in link.acknowledged] == [ticket]


@pytest.mark.broker
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
@pytest.mark.parametrize("what", ["publisher", "reader"])
def test_no_packet_costs_memory_and_all_are_survived(what: str, protocol: str) -> None:
    """All that the broker can do: ``python -m tests.support.hostile_broker``."""
    with HostileBroker() as broker, Victim(broker, what, protocol) as victim:
        for mode in (
            Mode("connack", "oversize"),
            Mode("connack", "properties"),
            Mode("publish", "oversize"),
            Mode("publish2", "flood"),
            Mode("suback", "oversize"),
        ):
            assert victim.grows_by_mb(mode, 3, DEADLINE_S) < GROWTH_MB, mode
            victim.recovers()
        assert "Traceback" not in victim.errors


@pytest.mark.parametrize("way", ["oversize", "declared"])
def test_what_is_too_long_is_one_sentence_with_topic_limit_and_remedy(way: str) -> None:
    with HostileBroker() as broker:
        broker.mode = Mode("publish", way)
        said = ended(link_to(broker.port))
    assert f"broker 127.0.0.1:{broker.port} sends " in said
    assert f"on '{STATUS}' where {MAX_PACKET_BYTES} are the most" in said
    assert "clear what is retained there" in said


def test_messages_that_would_have_to_be_kept_are_refused() -> None:
    with HostileBroker() as broker:
        broker.mode = Mode("publish2", "flood")
        assert "sends with a QoS above 1, which nobody asked for" in ended(link_to(broker.port))


def test_a_broker_that_reads_no_answers_is_left() -> None:
    with HostileBroker() as broker:
        broker.mode = Mode("publish1", "flood")
        link = link_to(broker.port)
        socket: Any = link._client.socket()
        socket.setsockopt(SOL_SOCKET, SO_SNDBUF, 4096)
        assert "sends and reads no answers" in ended(link)


def test_a_broker_that_speaks_before_it_accepts_is_left() -> None:
    with HostileBroker() as broker:
        broker.mode = Mode("connack", "preceded")
        link = BrokerLink(MqttSettings(host="127.0.0.1", port=broker.port), "test")
        with pytest.raises(BrokerError, match="speaks before it has accepted"):
            link.open()


def test_messages_that_nobody_takes_are_not_kept_for_ever(broker: Broker) -> None:
    link = link_to(broker.port)
    step_until(link, lambda: link.subscribed, "the subscription")
    flood: list[Any] = [(STATUS, str(number), 1, False) for number in range(300)]
    paho.mqtt.publish.multiple(flood, hostname=broker.host, port=broker.port)
    step_until(link, lambda: link.received and link.received[-1].payload == b"299", "the last message")
    assert len(link.received) < 100
    link.disconnect()


def test_the_answer_to_another_subscription_is_none() -> None:
    with HostileBroker() as broker:
        broker.mode = Mode("suback", "wrong_id")
        link = link_to(broker.port)
        answered(link)
        assert link.subscribed is None
        link.close()


def test_a_real_broker_is_told_the_limit_and_before_mqtt_5_it_is_held_to_it(broker: Broker) -> None:
    paho.mqtt.publish.single(STATUS, bytes(1_000_000), 1, retain=True, hostname=broker.host, port=broker.port)
    assert f"on '{STATUS}' where {MAX_PACKET_BYTES}" in ended(link_to(broker.port, "3.1.1"))
    link = link_to(broker.port, "5")
    answered(link)
    assert not link.received
    link.disconnect()
