"""The documents in the package say what the code does."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import agent
from agent.contract.messages import CountsMessage, counts_message
from agent.contract.schema import SCHEMAS
from agent.contract.topics import parse_topic
from agent.publisher.wallclock import WallClock
from tests.support.message_samples import SESSION, disclosure, health, window
from tests.support.places import ROOT
from tests.support.transcript_mqtt import BEGIN, END, transcript, with_block

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DOCS = Path(agent.__file__).parent / "docs"


def counts() -> CountsMessage:
    closed = window(0)
    stamps = WallClock().stamps(closed.opened_at_s, closed.closed_at_s)
    return counts_message(closed, disclosure(), SESSION, stamps)


def flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Field names as Telegraf's JSON format makes them."""
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from flat(inner, f"{prefix}{key}_")
        else:
            yield prefix + key


def check_lines(text: str) -> set[str]:
    """Every line is a topic and a payload of the contract; the kinds seen."""
    kinds: set[str] = set()
    for line in text.splitlines():
        topic, _, payload = line.partition(" ")
        address = parse_topic("emotion-agent", topic)
        assert address is not None
        kinds.add(address.kind)
        if address.kind == "availability":
            assert payload in {"online", "offline"}
        else:
            SCHEMAS[address.kind].model_validate_json(payload)
    return kinds


def topics_of(text: str) -> list[str]:
    return [line.partition(" ")[0] for line in text.splitlines()]


@pytest.mark.broker
def test_the_printed_transcript_is_what_a_broker_shows_today() -> None:
    text = (DOCS / "mqtt.md").read_text(encoding="utf-8")
    block = text.partition(BEGIN)[2].partition(END)[0].removeprefix("```\n").removesuffix("```\n")
    everything = {"availability", "birth", "counts", "health"}
    assert check_lines(block) == everything
    fresh = transcript()
    assert check_lines(fresh) == everything
    assert [line.split()[0] for line in fresh.splitlines()] == [
        line.split()[0] for line in block.splitlines()
    ]


def test_the_printed_windows_of_people_and_crossings_keep_their_schemas() -> None:
    text = (DOCS / "mqtt.md").read_text(encoding="utf-8")
    block = text.partition("<!-- windows of people and of crossings")[2].split("```")[1].strip("\n")
    assert check_lines(f"{block}\n") == {"people", "crossings"}


def test_a_text_without_markers_keeps_its_words() -> None:
    assert with_block("nothing here", "x") == "nothing here"
    assert with_block(f"a\n{BEGIN}old{END}b", "new\n") == f"a\n{BEGIN}```\nnew\n```\n{END}b"


def test_telegraf_reads_fields_that_exist() -> None:
    inputs = tomllib.loads((DOCS / "telegraf.conf").read_text(encoding="utf-8"))["inputs"]["mqtt_consumer"]
    fields = {
        "expression_window": set(flat(json.loads(counts().payload()))),
        "expression_health": set(flat(json.loads(health().payload()))),
    }
    for consumer in inputs:
        known = fields[consumer["name_override"]]
        assert set(consumer["json_string_fields"]) <= known
        assert {consumer.get("json_time_key", "state")} <= known
        (parsing,) = consumer["topic_parsing"]
        assert len(parsing["topic"].split("/")) == len(parsing["tags"].split("/"))
        example = parsing["topic"].replace("+", "x")
        assert parse_topic("emotion-agent", example) is not None


def test_grafana_asks_for_fields_that_exist() -> None:
    dashboard = json.loads((DOCS / "grafana-dashboard.json").read_text(encoding="utf-8"))
    known = {*flat(json.loads(counts().payload())), *flat(json.loads(health().payload()))}
    queries = [target["query"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(queries) > 10
    for query in queries:
        select = query.partition(" FROM ")[0]
        asked = set(re.findall(r'"([^"]+)"', re.sub(r' AS "[^"]+"', "", select)))
        assert asked <= known, query


def test_every_test_that_the_threat_model_names_is_there() -> None:
    text = (DOCS / "threat-model.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/.]+)`", text)
    assert len(named) > 15
    assert [name for name in named if not (ROOT / name).exists()] == []
