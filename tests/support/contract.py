"""Every message that a broker hands out must keep contract v1, byte for byte against the shipped schemas."""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from typing import TYPE_CHECKING, Any

from agent.contract.schema import SCHEMA_FOLDER, SCHEMAS
from agent.contract.topics import parse_topic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.mosquitto_fixtures import Record


@cache
def _schema(kind: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((SCHEMA_FOLDER / f"{kind}.v1.json").read_text(encoding="utf-8"))
    return schema


@cache
def schema_checker(kind: str) -> Any:
    """Checks payloads against the shipped schema file of a kind, formats included.

    None without jsonschema, which is of the dev extra: then the models still check, the schema files don't.
    Only who checks loads it: it takes a second.
    """
    if importlib.util.find_spec("jsonschema") is None:
        return None
    validator = importlib.import_module("jsonschema").Draft202012Validator
    return validator(_schema(kind), format_checker=validator.FORMAT_CHECKER)


def check_contract(records: Iterable[Record], root: str = "emotion-agent") -> int:
    """Assert that each message under ``root`` is one of the contract; returns how many there were."""
    checked = 0
    for record in records:
        if not record.topic.startswith(f"{root}/") or not record.payload:
            continue  # foreign, or a retained message being taken back
        address = parse_topic(root, record.topic)
        assert address is not None, f"{record.topic} is no topic of the contract"
        if address.kind == "availability":
            assert record.payload in {b"online", b"offline"}
        else:
            _check_payload(address.kind, record.payload)
        checked += 1
    return checked


def _check_payload(kind: str, payload: bytes) -> None:
    SCHEMAS[kind].model_validate_json(payload)
    told = json.loads(payload)
    assert set(told) == set(_schema(kind)["properties"]), "exactly the fields of the schema are sent"
    checker = schema_checker(kind)
    if checker is not None:
        checker.validate(told)
