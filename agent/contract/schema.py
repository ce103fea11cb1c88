"""The JSON Schemas of contract v1, generated from the payloads: ``python -m agent.contract.schema``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.contract.birth import BirthMessage
from agent.contract.day import DayMessage
from agent.contract.messages import CountsMessage, HealthMessage
from agent.contract.windows import CrossingsMessage, PeopleMessage

if TYPE_CHECKING:
    from agent.contract.messages import Message

SCHEMA_FOLDER: Final = Path(__file__).parent / "schemas"

SCHEMAS: Final[dict[str, type[Message]]] = {
    "counts": CountsMessage,
    "people": PeopleMessage,
    "crossings": CrossingsMessage,
    "day": DayMessage,
    "birth": BirthMessage,
    "health": HealthMessage,
}
"""Schema file stem to payload."""


def schema_text(name: str) -> str:
    """Exact content of ``agent/contract/schemas/<name>.v1.json``: JSON Schema, draft 2020-12.

    Unlike the sending side it allows further fields, because v1 grows by addition.

    Args:
        name: One of ``SCHEMAS``.
    """
    schema = SCHEMAS[name].model_json_schema(by_alias=True, mode="serialization")
    for part in (schema, *schema.get("$defs", {}).values()):
        part.pop("additionalProperties", None)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:emotion-agent:{name}:1",
    }
    return json.dumps(head | schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for stem in SCHEMAS:
        (SCHEMA_FOLDER / f"{stem}.v1.json").write_text(schema_text(stem), encoding="utf-8")
