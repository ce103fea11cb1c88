"""Puts what was measured into the configuration, where everything else in the file stays as it is.

The file is text that somebody has written, with comments and an order of its own. So lines are put in or
changed, never the whole written anew, and the outcome is compared as parsed: only what was asked may differ.
"""

from __future__ import annotations

import copy
import json
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Final

from agent.errors import ConfigError
from agent.host import replace_whole
from agent.settings import MeasuredCount, parse_settings, read_small_file

TABLE: Final = "measured"
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_HEADER: Final = re.compile(r"[ \t]*\[[^\[]")
_INLINE: Final = re.compile(rf"(\s*{TABLE}\s*=\s*)\{{[^}}]*\}}(.*)", re.DOTALL)


def write_measured(path: Path, source: str, measured: MeasuredCount) -> None:
    """Write the table ``[sources.<source>.measured]`` into a configuration file, whole or not at all.

    Raises:
        ConfigError: The file can't be read or written, or the table has no place in it; it is as it was.
    """
    values = {name: getattr(measured, name) for name in MeasuredCount.model_fields}
    by_hand = "add by hand: " + "; ".join(_table(source, values))
    try:
        place = path.resolve(strict=True)
        if not place.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
            raise ConfigError(f"{path} is read-only: {by_hand}")
        text = with_measured(read_small_file(place), source, values)
        if text is None:
            raise ConfigError(
                f"sources.{source} is written in {path} so that no table can join it: {by_hand}"
            )
        parse_settings(tomllib.loads(text), origin=str(path))
        replace_whole(place, text.encode("utf-8"), like=place)
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path} can't be written ({reason}): {by_hand}") from error


def with_measured(text: str, source: str, values: Mapping[str, float | date]) -> str | None:
    """The text with these values in the source's table, which is made at the end where it is missing.

    Returns:
        None where that can't be done without touching more.

    Raises:
        ValueError: The text is no TOML.
    """
    wanted = tomllib.loads(text)
    found = wanted.get("sources", {}).get(source)
    if not isinstance(found, dict) or not isinstance(found.get(TABLE, {}), dict):
        return None
    found[TABLE] = {**copy.copy(found.get(TABLE, {})), **values}
    return next((tried for tried in _attempts(text, source, values) if _says(tried, wanted)), None)


def _attempts(text: str, source: str, values: Mapping[str, float | date]) -> Iterator[str]:
    """What may be right: which of the lines is the table, or its header, only parsing tells."""
    end = "\r\n" if "\r\n" in text else "\n"
    rows = text.split("\n")
    for at, row in enumerate(rows):
        if (match := _INLINE.fullmatch(row)) is not None:
            inline = ", ".join(f"{name} = {value}" for name, value in values.items())
            yield "\n".join([*rows[:at], f"{match[1]}{{{inline}}}{match[2]}", *rows[at + 1 :]])
        if _HEADER.match(row) and _says(f"{row}\n", {"sources": {source: {TABLE: {}}}}):
            yield "\n".join([*rows[: at + 1], *_changed(rows[at + 1 :], values, end)])
    gap = "" if not text or text.endswith("\n") else end
    yield text + gap + end + "".join(line + end for line in _table(source, values))


def _changed(rows: list[str], values: Mapping[str, float | date], end: str) -> list[str]:
    """The rows below the header with the values in them, comments kept; those that are missing come first."""
    last = next((at for at, row in enumerate(rows) if row.lstrip().startswith("[")), len(rows))
    missing = dict(values)
    changed = list(rows)
    for at, row in enumerate(rows[:last]):
        for name, value in values.items():
            match = re.fullmatch(rf"(\s*{name}\s*=\s*)[^#\s]+((?:\s+|\s*#).*|)", row, re.DOTALL)
            if match is not None:
                changed[at] = f"{match[1]}{value}{match[2]}"
                missing.pop(name, None)
    return [*(f"{name} = {value}{end[:-1]}" for name, value in missing.items()), *changed]


def _table(source: str, values: Mapping[str, float | date]) -> list[str]:
    name = source if _BARE.fullmatch(source) else json.dumps(source)
    return [f"[sources.{name}.{TABLE}]", *(f"{key} = {value}" for key, value in values.items())]


def _says(text: str, wanted: Mapping[str, object]) -> bool:
    try:
        return tomllib.loads(text) == wanted
    except ValueError:
        return False
