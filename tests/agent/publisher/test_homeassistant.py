"""Home Assistant finds the device and shows suppressed windows as unavailable, never as zero."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import paho.mqtt.publish
import pytest

from agent.contract.messages import CountsMessage, counts_message
from agent.domain import LABELS
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
