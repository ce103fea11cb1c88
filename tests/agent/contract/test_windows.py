"""Windows of people and of crossings keep contract v1 as those of expressions do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from agent.contract.messages import CountsMessage
from agent.contract.schema import schema_text
from agent.contract.topics import Address, Identity, WindowKind, parse_topic, window_topic
from agent.contract.windows import CrossingsMessage, PeopleMessage, kind_of, read_window
from agent.domain import LABELS, CrossingsDisclosure, PeopleDisclosure
from tests.support.contract import schema_checker
from tests.support.message_samples import (
    CROSSINGS,
    FEW_CROSSINGS,
    FEW_PEOPLE,
    PEOPLE,
    SUPPRESSED,
    disclosure,
    message_of,
    modest_birth,
)

if TYPE_CHECKING:
    from agent.domain import AnyDisclosure

EVERY = [disclosure(), SUPPRESSED, PEOPLE, FEW_PEOPLE, CROSSINGS, FEW_CROSSINGS]
KINDS: list[WindowKind] = ["counts", "people", "crossings"]


def sent(disclosed: AnyDisclosure) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(message_of(disclosed).payload())
    return payload


@pytest.mark.parametrize(
    ("disclosed", "counted"),
    [(PEOPLE, ["people"]), (CROSSINGS, ["in", "out"])],
)
def test_a_window_has_exactly_the_fields_of_the_contract_in_order(
    disclosed: AnyDisclosure, counted: list[str]
) -> None:
    assert list(sent(disclosed)) == [
        "schema", "session_id", "seq", "window_start", "window_end", "clock_synced", "historical",
        "suppressed", *counted, "coverage",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("disclosed", EVERY)
def test_what_is_sent_satisfies_the_schema_of_its_topic(disclosed: AnyDisclosure) -> None:
    message = message_of(disclosed)
    kind = kind_of(message)
    payload = json.loads(message.payload())
    assert payload["schema"] == f"emotion-agent/{kind}/1"
    assert set(payload) == set(json.loads(schema_text(kind))["properties"])
    checker = schema_checker(kind)
    if checker is not None:
        checker.validate(payload)
        checker.validate(payload | {"added_later": 1})


@pytest.mark.parametrize("disclosed", EVERY)
def test_a_window_is_read_back_as_what_it_is(disclosed: AnyDisclosure) -> None:
    message = message_of(disclosed)
    again = read_window(message.payload().decode())
    assert again == message
    assert type(again) is type(message)


@pytest.mark.parametrize("schema", ["emotion-agent/health/1", "", None, 3])
def test_what_is_no_window_is_refused(schema: object) -> None:
    for disclosed in (disclosure(), PEOPLE, CROSSINGS):
        with pytest.raises(ValidationError):
            read_window(json.dumps(sent(disclosed) | {"schema": schema}))


def test_a_window_of_one_kind_carries_nothing_of_another() -> None:
    for extra in ({"counts": None}, {"neutral": 1}, {"in": 1}):
        with pytest.raises(ValidationError):
            PeopleMessage.model_validate(sent(PEOPLE) | extra)
    for extra in ({"people": 7}, {"counts": None}):
        with pytest.raises(ValidationError):
            CrossingsMessage.model_validate(sent(CROSSINGS) | extra)
    with pytest.raises(ValidationError):
        CountsMessage.model_validate(sent(disclosure()) | {"in": 1})


@pytest.mark.parametrize(
    "leaky",
    [
        PeopleDisclosure(suppressed=True, people=3),
        PeopleDisclosure(suppressed=False, people=None),
        CrossingsDisclosure(suppressed=True, came_in=None, went_out=3),
        CrossingsDisclosure(suppressed=True, came_in=3, went_out=None),
        CrossingsDisclosure(suppressed=False, came_in=3, went_out=None),
    ],
)
def test_numbers_are_null_exactly_when_suppressed(leaky: AnyDisclosure) -> None:
    with pytest.raises(ValidationError, match="null exactly when suppressed"):
        message_of(leaky)


def test_neither_windows_nor_schemas_of_people_and_crossings_name_an_expression() -> None:
    text = "".join(
        schema_text(kind) + json.dumps(sent(of))
        for kind, of in (("people", PEOPLE), ("crossings", CROSSINGS))
    )
    assert not [label for label in LABELS if label in text]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_topic_that_parses_to_its_sender(kind: WindowKind) -> None:
    topic = window_topic(Identity("museum", "door-1"), kind, "hall")
    assert topic == f"emotion-agent/v1/museum/door-1/{kind}/hall"
    assert parse_topic("emotion-agent", topic) == Address("museum", "door-1", kind, "hall")
    assert parse_topic("emotion-agent", topic.removesuffix("/hall")) is None


def test_birth_says_that_no_expression_is_inferred_and_where_a_line_is_counted() -> None:
    payload = json.loads(modest_birth().payload())
    assert (payload["expressions"], payload["lines"], payload["models"]["classifier"]) == (
        False,
        ["door"],
        None,
    )
