"""What the environment sets: ``EMOTION_AGENT_MQTT__HOST=broker`` is ``mqtt.host``, and so on for every key.

A variable that names no key becomes an unknown key, and so is refused like one in the file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Final

PREFIX: Final = "EMOTION_AGENT_"
_DELIMITER: Final = "__"


def variable(keys: Iterable[int | str]) -> str:
    """The name under which the environment sets a key."""
    return PREFIX + _DELIMITER.join(str(key) for key in keys).upper()


def setter(keys: Iterable[int | str], *, or_below: bool) -> str:
    """The variable that is set for a key, as it is written there, or for one below it; empty without."""
    name = variable(keys)
    heads = (name, f"{name}{_DELIMITER}") if or_below else (name,)
    return next(
        (one for one in sorted(os.environ) if one.upper() == name or one.upper().startswith(heads[1:])), ""
    )


def with_environment(tables: Mapping[str, object]) -> dict[str, object]:
    """The tables of a file, with what the environment sets over them; names in lower case.

    Raises:
        RecursionError: A variable's value is nested too deeply.
    """
    merged = dict(tables)
    for name in sorted(os.environ):
        if name.upper().startswith(PREFIX):
            value = _value_of(os.environ[name])
            for key in reversed(name[len(PREFIX) :].lower().split(_DELIMITER)):
                value = {key: value}
            merged = _over(merged, value)
    return merged


def _value_of(text: str) -> object:
    """Tables and lists are written as JSON; everything else is text, which the settings turn into numbers."""
    if not text.startswith(("[", "{")):
        return text
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value


def _over(below: dict[str, object], above: object) -> dict[str, object]:
    """Both; a table does not hide what is no table below it: that is wrong, and has to be refused."""
    if not isinstance(above, dict):
        return below
    merged = dict(below)
    for key, value in above.items():
        there = below.get(key)
        if isinstance(there, dict):
            merged[key] = _over(there, value) if isinstance(value, dict) else value
        elif not isinstance(value, dict) or there is None:
            merged[key] = value
    return merged
