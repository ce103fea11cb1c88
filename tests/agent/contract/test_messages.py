"""Payloads keep contract v1: exact fields, numbers as numbers, schemas that match and may grow."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.contract.messages import (
    CountsMessage,
    ExpressionCounts,
    counts_message,
    rfc3339,
)
from agent.contract.schema import SCHEMA_FOLDER, SCHEMAS, schema_text
from agent.domain import LABELS, Disclosure, EmotionWindow, Stamps
from tests.support.contract import schema_checker
from tests.support.message_samples import SESSION, SUPPRESSED, birth, disclosure, health

START = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
STAMPS = Stamps(START, START + timedelta(seconds=300), synced=True)


def counts(told: Disclosure | None = None, stamps: Stamps = STAMPS) -> CountsMessage:
    window = EmotionWindow("door", 3, 0.0, 300.0, coverage=0.5)
    return counts_message(window, told or disclosure(), SESSION, stamps)


@pytest.mark.parametrize(("covered", "told"), [(0.0, 0.0), (1 / 3, 0.3), (0.96, 1.0), (1.0, 1.0)])
def test_coverage_is_told_in_tenths(covered: float, told: float) -> None:
    """Sixteen digits of it would say to the millisecond how long a room was lit."""
    window = EmotionWindow("door", 3, 0.0, 300.0, coverage=covered)
    assert counts_message(window, SUPPRESSED, SESSION, STAMPS).coverage == told


def validate(name: str, payload: dict[str, Any]) -> None:
    checker = schema_checker(name)
    if checker is None:
        pytest.skip("jsonschema is not installed (dev extra)")
    checker.validate(payload)


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_files_are_generated_from_the_models(name: str) -> None:
    """Edit the models, then run python -m agent.contract.schema."""
    assert (SCHEMA_FOLDER / f"{name}.v1.json").read_text(encoding="utf-8") == schema_text(name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "message"),
    [("counts", counts()), ("counts", counts(SUPPRESSED)), ("birth", birth()), ("health", health())],
    ids=["counts", "suppressed", "birth", "health"],
)
def test_what_is_sent_satisfies_its_schema_and_uses_only_its_fields(name: str, message: Any) -> None:
    payload = json.loads(message.payload())
    validate(name, payload)
    assert set(payload) <= set(json.loads(schema_text(name))["properties"])
    assert payload["schema"] == f"emotion-agent/{name}/1"


def test_counts_has_exactly_the_fields_of_the_contract_in_order() -> None:
    assert list(json.loads(counts().payload())) == [
        "schema", "session_id", "seq", "window_start", "window_end", "clock_synced", "historical",
        "suppressed", "people", "counts", "coverage",
    ]  # fmt: skip


def test_every_label_is_counted_and_no_other() -> None:
    assert tuple(ExpressionCounts.model_fields) == LABELS


def test_suppressed_windows_say_null_not_zero() -> None:
    payload = json.loads(counts(SUPPRESSED).payload())
    assert payload["people"] is None
    assert payload["counts"] is None


def test_a_suppressed_window_can_not_carry_counts() -> None:
    leaky = Disclosure(suppressed=True, people=3, counts=dict.fromkeys(LABELS, 0))
    with pytest.raises(ValidationError, match="null exactly when suppressed"):
        counts(leaky)


@pytest.mark.parametrize("people", [6, 8])
def test_people_are_the_sum_of_the_counts(people: int) -> None:
    wrong = Disclosure(suppressed=False, people=people, counts=disclosure(7).counts)
    with pytest.raises(ValidationError, match="sum of counts"):
        counts(wrong)


def test_windows_of_no_or_negative_length_are_refused() -> None:
    with pytest.raises(ValidationError, match="window_end must lie after"):
        counts(stamps=Stamps(START, START, synced=True))


@pytest.mark.slow
def test_an_old_schema_accepts_a_field_that_a_later_version_adds() -> None:
    """Within v1 messages grow only by addition, so readers made today must not break."""
    grown = json.loads(counts().payload()) | {"added_later": 1}
    grown["counts"]["added_label"] = 2
    validate("counts", grown)


def test_the_sending_side_refuses_fields_that_are_not_in_the_contract() -> None:
    with pytest.raises(ValidationError, match="face_id"):
        CountsMessage.model_validate(json.loads(counts().payload()) | {"face_id": 1})


@settings(deadline=None)
@given(st.datetimes(timezones=st.just(UTC)), st.integers(1, 10**6), st.booleans())
def test_payloads_survive_a_round_trip(start: datetime, length_s: int, synced: bool) -> None:  # noqa: FBT001
    try:
        end = start + timedelta(seconds=length_s)
    except OverflowError:
        return
    whole = start.replace(microsecond=0)
    message = counts(stamps=Stamps(whole, end.replace(microsecond=0), synced=synced))
    assert CountsMessage.model_validate_json(message.payload()) == message


def test_times_are_rfc_3339_utc_with_milliseconds() -> None:
    assert rfc3339(START) == "2026-11-22T06:00:00.000Z"
