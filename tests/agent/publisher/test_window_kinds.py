"""Windows of people and of crossings take the way of all windows, each to its own topic."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from agent.domain import LABELS, Window
from agent.publisher.homeassistant import discovery_payload
from agent.publisher.outbox import Outbox
from agent.publisher.row import row_of, window_of
from agent.publisher.spool import FILE_NAME, Spool
from agent.publisher.thread import Publisher
from agent.publisher.waiting import WaitingWindow
from agent.settings import MqttSettings
from tests.support.contract import check_contract
from tests.support.message_samples import (
    CROSSINGS,
    FEW_CROSSINGS,
    FEW_PEOPLE,
    IDENTITY,
    PEOPLE,
    birth,
    disclosure,
    message_of,
    modest_birth,
)
from tests.support.mosquitto_fixtures import Broker, Recorder
from tests.support.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from agent.contract.windows import AnyWindowMessage
    from agent.domain import AnyDisclosure

EVERY: list[AnyDisclosure] = [PEOPLE, FEW_PEOPLE, CROSSINGS, FEW_CROSSINGS, disclosure()]
BRANCH = "emotion-agent/v1/museum/door-1"


def waiting(disclosed: AnyDisclosure, seq: int = 0) -> WaitingWindow:
    return WaitingWindow("door", message_of(disclosed, seq), 300.0 * seq, 300.0 * seq + 300.0, "boot")


def rendered(template: str, message: AnyWindowMessage) -> str:
    jinja2 = pytest.importorskip("jinja2", reason="jinja2 renders Home Assistant's templates (dev extra)")
    text: str = jinja2.Environment().from_string(template).render(value_json=json.loads(message.payload()))
    return text


@pytest.mark.parametrize("disclosed", EVERY)
def test_a_row_of_the_queue_brings_back_the_window_that_was_stored(disclosed: AnyDisclosure) -> None:
    assert window_of(tuple(row_of(1, waiting(disclosed)))) == waiting(disclosed)


def test_all_kinds_wait_in_one_file_in_order(tmp_path: Path) -> None:
    outbox = Outbox(100, Spool(tmp_path / FILE_NAME))
    for seq, disclosed in enumerate(EVERY):
        outbox.put(waiting(disclosed, seq), online=False)
    outbox.close()
    again = Outbox(100, Spool(tmp_path / FILE_NAME))
    again.load()
    parcels = list(iter(again.take, None))
    assert [type(parcel.window.message) for parcel in parcels] == [type(message_of(each)) for each in EVERY]
    assert [parcel.window.message.seq for parcel in parcels] == list(range(len(EVERY)))
    assert all(parcel.window.message.historical for parcel in parcels)


def test_each_kind_goes_to_its_own_topic(broker: Broker) -> None:
    with Recorder(broker) as recorder:
        publisher = Publisher(MqttSettings(host=broker.host, port=broker.port), IDENTITY, modest_birth())
        publisher.start()
        wait_until(lambda: publisher.status().connected, "the publisher to connect")
        of_each: list[tuple[str, AnyDisclosure]] = [
            ("hall", PEOPLE), ("hall", FEW_PEOPLE), ("door", CROSSINGS), ("door", FEW_CROSSINGS)
        ]  # fmt: skip
        for seq, (source, disclosed) in enumerate(of_each):
            publisher.publish_counts(Window(source, seq, 60.0 * seq, 60.0 * seq + 60.0, 0.5), disclosed)
        recorder.wait_for(lambda _: len(recorder.on("crossings")) == 2)
        publisher.stop(DEADLINE_S)
    assert check_contract(recorder.records) >= 6
    assert [record.topic for record in recorder.on("people")] == [f"{BRANCH}/people/hall"] * 2
    assert [record.topic for record in recorder.on("crossings")] == [f"{BRANCH}/crossings/door"] * 2
    assert [record.json["people"] for record in recorder.on("people")] == [7, None]
    assert [(r.json["in"], r.json["out"]) for r in recorder.on("crossings")] == [(4, 3), (None, None)]
    assert not recorder.on("counts")


def test_home_assistant_is_told_of_no_expression_where_none_is_inferred() -> None:
    """Neither of one that there is, nor of one to take away."""
    payload = discovery_payload(IDENTITY, modest_birth())
    assert not [word for word in (*LABELS, "dominant", "xpression") if word.encode() in payload]
    device = json.loads(payload)
    assert device["device"]["name"] == "People museum door-1"
    counted = {key for key, entity in device["components"].items() if "expire_after" in entity}
    assert counted == {"hall_people", "hall_coverage", "door_in", "door_out", "door_coverage"}
    assert device["components"]["hall_people"]["state_topic"] == f"{BRANCH}/people/hall"
    assert device["components"]["door_in"]["state_topic"] == f"{BRANCH}/crossings/door"


def test_a_line_beside_sources_with_expressions_has_crossings_only() -> None:
    both = birth(sources=("hall", "door")).model_copy(update={"lines": ("door",)})
    entities = json.loads(discovery_payload(IDENTITY, both))["components"]
    told_of = {key for key, entity in entities.items() if entity.keys() != {"platform"}}
    assert {"hall_happiness", "hall_people", "door_in", "door_out"} <= told_of
    assert not {"door_happiness", "door_people", "door_dominant"} & told_of


def test_home_assistant_shows_each_number_and_no_zero_where_it_is_withheld() -> None:
    entities = json.loads(discovery_payload(IDENTITY, modest_birth()))["components"]
    for key, full, few, number in (
        ("hall_people", PEOPLE, FEW_PEOPLE, "7"),
        ("door_in", CROSSINGS, FEW_CROSSINGS, "4"),
        ("door_out", CROSSINGS, FEW_CROSSINGS, "3"),
    ):
        entity = entities[key]
        assert rendered(entity["value_template"], message_of(full)) == number
        assert rendered(entity["value_template"], message_of(few)) != "0"
        assert rendered(entity["availability"][1]["value_template"], message_of(few)) == "offline"
        assert rendered(entity["availability"][1]["value_template"], message_of(full)) == "online"
        late = message_of(full).model_copy(update={"historical": True})
        assert rendered(entity["value_template"], late) == ""
