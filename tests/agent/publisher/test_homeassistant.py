"""Home Assistant finds the device and shows suppressed windows as unavailable, never as zero."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import paho.mqtt.publish
import pytest

from agent.contract.messages import CountsMessage, counts_message
from agent.contract.topics import Identity
from agent.domain import LABELS
from agent.publisher.announcement import DISCOVERY_INTERVAL_S
from agent.publisher.homeassistant import discovery_payload
from agent.publisher.thread import Publisher
from agent.publisher.wallclock import WallClock
from agent.settings import HomeAssistantSettings, MqttSettings
from tests.support.message_samples import IDENTITY, SESSION, SUPPRESSED, birth, disclosure, window
from tests.support.mosquitto_fixtures import Broker, Recorder
from tests.support.waiting import DEADLINE_S

if TYPE_CHECKING:
    from agent.domain import Disclosure

TOPIC = "homeassistant/device/emotion-agent_museum_door-1/config"


def discovery() -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(discovery_payload(IDENTITY, birth()))
    return payload


def counts(told: Disclosure, *, historical: bool = False) -> CountsMessage:
    closed = window(0)
    stamps = WallClock().stamps(closed.opened_at_s, closed.closed_at_s)
    message = counts_message(closed, told, SESSION, stamps)
    return message.model_copy(update={"historical": historical})


def rendered(template: str, message: CountsMessage) -> str:
    jinja2 = pytest.importorskip("jinja2", reason="jinja2 renders Home Assistant's templates (dev extra)")
    text: str = jinja2.Environment().from_string(template).render(value_json=json.loads(message.payload()))
    return text


def test_every_entity_belongs_to_the_device_and_has_its_own_id() -> None:
    payload = discovery()
    entities = payload["components"].values()
    assert len({entity["unique_id"] for entity in entities}) == len(payload["components"])
    assert payload["origin"]["name"] == "emotion-agent"
    assert payload["device"]["identifiers"] == ["emotion-agent_museum_door-1"]
    assert all(entity["platform"] in {"sensor", "binary_sensor"} for entity in entities)


def test_sources_that_differ_share_no_entity_and_what_they_shared_is_taken_away() -> None:
    """An entity that is nothing but its platform is one that Home Assistant removes."""
    entities = json.loads(discovery_payload(IDENTITY, birth(sources=("hall.2", "hall_2", "door"))))[
        "components"
    ]
    topics = {
        key: entity["state_topic"]
        for key, entity in entities.items()
        if key.endswith("_people") and len(entity) > 1
    }
    assert topics == {
        "hall_--2_people": "emotion-agent/v1/museum/door-1/counts/hall.2",
        "hall__2_people": "emotion-agent/v1/museum/door-1/counts/hall_2",
        "door_people": "emotion-agent/v1/museum/door-1/counts/door",
    }
    assert entities["hall_2_people"] == {"platform": "sensor"}
    told = [entity["unique_id"] for entity in entities.values() if len(entity) > 1]
    assert len(set(told)) == len(told)


def test_counting_entities_expire_after_three_windows() -> None:
    assert discovery()["components"]["door_people"]["expire_after"] == 900


@pytest.mark.parametrize("entity", ["people", "dominant", *LABELS])
def test_a_suppressed_window_is_unavailable_not_zero(entity: str) -> None:
    config = discovery()["components"][f"door_{entity}"]
    by_topic = config["availability"][1]
    assert config["availability_mode"] == "all"
    assert rendered(by_topic["value_template"], counts(SUPPRESSED)) == "offline"
    assert rendered(by_topic["value_template"], counts(disclosure())) == "online"
    assert rendered(config["value_template"], counts(SUPPRESSED)) != "0"


def test_a_full_window_sets_people_expressions_and_the_dominant_one() -> None:
    entities = discovery()["components"]
    message = counts(disclosure(7))
    values = {
        key: rendered(entities[f"door_{key}"]["value_template"], message)
        for key in ("people", "happiness", "anger", "dominant", "coverage")
    }
    assert values == {
        "people": "7",
        "happiness": "7",
        "anger": "0",
        "dominant": "happiness",
        "coverage": "100.0",
    }


def test_historical_windows_change_no_entity() -> None:
    """Templates that render to nothing are ignored by Home Assistant."""
    late = counts(disclosure(), historical=True)
    for key, entity in discovery()["components"].items():
        if key.startswith("door_"):
            assert rendered(entity["value_template"], late) == ""
    by_topic = discovery()["components"]["door_people"]["availability"][1]
    assert rendered(by_topic["value_template"], late) == ""


def test_discovery_is_retained_and_sent_again_when_home_assistant_starts(broker: Broker) -> None:
    publisher = Publisher(
        MqttSettings(host=broker.host, port=broker.port),
        IDENTITY,
        birth(),
        homeassistant=HomeAssistantSettings(discovery=True),
    )
    with Recorder(broker) as recorder:
        publisher.start()
        recorder.wait_for(lambda records: any(r.topic == TOPIC for r in records))
        broker.wait_for_subscription("homeassistant/status")
        with Recorder(broker) as late:
            late.wait_for(lambda records: any(r.topic == TOPIC and r.retained for r in records))
        before = len(recorder.on("config"))
        paho.mqtt.publish.single("homeassistant/status", "online", 1, hostname=broker.host, port=broker.port)
        recorder.wait_for(lambda _: len(recorder.on("config")) > before)
        publisher.stop(DEADLINE_S)
    topics = [record.topic.split("/")[-1] for record in recorder.records]
    assert topics[:3] == ["availability", "birth", "config"]


def test_without_the_opt_in_nothing_is_announced(broker: Broker) -> None:
    publisher = Publisher(MqttSettings(host=broker.host, port=broker.port), IDENTITY, birth())
    with Recorder(broker) as recorder:
        publisher.start()
        publisher.publish_counts(window(0), disclosure())
        recorder.wait_for(lambda records: any("/counts/" in r.topic for r in records))
        publisher.stop(DEADLINE_S)
    assert not recorder.on("config")


def announcing(broker: Broker, identity: Identity = IDENTITY) -> Publisher:
    return Publisher(
        MqttSettings(host=broker.host, port=broker.port),
        identity,
        birth(),
        homeassistant=HomeAssistantSettings(discovery=True),
    )


DOTTED = Identity("museum", "door.1")
FORMER = "homeassistant/device/emotion-agent_museum_door_1/config"


def retain_at_former_topic(broker: Broker, device: str) -> None:
    """As an earlier release did, for one of two devices that shared the id."""
    payload = json.dumps({"availability": [{"topic": f"emotion-agent/v1/museum/{device}/availability"}]})
    paho.mqtt.publish.single(FORMER, payload, 1, retain=True, hostname=broker.host, port=broker.port)


def test_what_an_earlier_release_announced_is_taken_back_before_discovery(broker: Broker) -> None:
    retain_at_former_topic(broker, "door.1")
    publisher = announcing(broker, DOTTED)
    with Recorder(broker) as recorder:
        publisher.start()
        recorder.wait_for(lambda _: any("door_--1" in r.topic for r in recorder.on("config")))
        publisher.stop(DEADLINE_S)
    first = next(record for record in recorder.on("config") if not record.retained)
    assert (first.topic, first.payload) == (FORMER, b"")
    with Recorder(broker) as late:
        late.wait_for(lambda _: late.on("config"))
    assert [r.topic for r in late.on("config")] == [
        "homeassistant/device/emotion-agent_museum_door_--1/config"
    ]


def test_what_another_device_announced_under_the_same_former_id_stays(broker: Broker) -> None:
    retain_at_former_topic(broker, "door_1")
    publisher = announcing(broker, DOTTED)
    with Recorder(broker) as recorder:
        publisher.start()
        recorder.wait_for(lambda _: any("door_--1" in r.topic for r in recorder.on("config")))
        publisher.stop(DEADLINE_S)
    assert all(r.payload for r in recorder.on("config"))


def test_discovery_is_repeated_once_however_often_home_assistant_says_online(broker: Broker) -> None:
    publisher, started_s = announcing(broker), time.monotonic()
    with Recorder(broker) as recorder:
        publisher.start()
        broker.wait_for_subscription("homeassistant/status")
        flood: list[Any] = [("homeassistant/status", "online", 1, False)] * 300
        paho.mqtt.publish.multiple(flood, hostname=broker.host, port=broker.port)
        recorder.wait_for(lambda _: len(recorder.on("config")) > 1)
        publisher.stop(DEADLINE_S)
    passed_s = time.monotonic() - started_s
    assert len(recorder.on("config")) <= 1 + passed_s / DISCOVERY_INTERVAL_S


def test_names_that_read_alike_are_two_clients_and_two_devices(broker: Broker) -> None:
    """They had one client id, and took turns on the broker for ever."""
    alike = [
        announcing(broker, Identity("museum-north", "door-1")),
        announcing(broker, Identity("museum", "north-door-1")),
    ]
    with Recorder(broker) as recorder:
        for publisher in alike:
            publisher.start()
        for publisher in alike:
            publisher.publish_counts(window(0), disclosure())
        recorder.wait_for(lambda _: len(recorder.on("counts")) == 2 and len(recorder.on("config")) == 2)
        assert all(publisher.status().connected for publisher in alike)
        for publisher in alike:
            publisher.stop(DEADLINE_S)
    assert "already connected" not in broker.log
    assert [record.payload for record in recorder.on("availability")].count(b"online") == 2
