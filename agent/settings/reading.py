"""Reads a configuration file into :class:`AgentSettings`, or says all that is wrong with it at once."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

from pydantic import BaseModel, ValidationError

from agent.errors import ConfigError, printable
from agent.settings import AgentSettings, OpenCvSource, Picamera2Source, ReplaySource
from agent.settings.environment import setter, variable
from agent.settings.files import file_problems, read_small_file

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

OPTIONS: Final = "options"
"""Origin of what was typed, which no variable sets."""
_SHOWN_CHARACTERS: Final = 80
_SOURCE_TYPES: Final[Mapping[str, type[BaseModel]]] = {
    "replay": ReplaySource,
    "opencv": OpenCvSource,
    "picamera2": Picamera2Source,
}

_PROHIBITED: Final = (
    "deployment.context = {context!r} is refused: inferring emotions of people at work or in education is"
    " prohibited (EU AI Act, Regulation (EU) 2024/1689, Art. 5(1)(f)) except for medical or safety reasons;"
    " install the agent elsewhere, or write such a reason out in deployment.safety_purpose"
)


def load_settings(path: Path) -> AgentSettings:
    """Settings from a TOML file and the ``EMOTION_AGENT_…`` environment variables.

    Raises:
        ConfigError: The file can't be read, or anything in it is wrong; one line per problem.
    """
    shown = str(path)[:200]
    try:
        text = read_small_file(path)
    except FileNotFoundError as error:
        raise ConfigError(f"configuration file {shown} does not exist; name one with --config") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"can't read configuration file {shown}: {reason}; name a TOML file") from error
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{shown} is not valid TOML: {error}; correct that line") from error
    return parse_settings(raw, origin=shown)


def parse_settings(raw: Mapping[str, object], origin: str) -> AgentSettings:
    """Validate already parsed tables; ``origin`` names their place in messages.

    Raises:
        ConfigError: Anything is wrong; one line per problem.
    """
    try:
        settings = AgentSettings.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(describe_problems(error, origin)) from None
    except RecursionError:
        raise ConfigError(f"{origin}: tables are nested too deeply; keep to those of config.toml") from None
    problems = list(_contradictions(settings))
    if problems:
        raise ConfigError("\n".join(f"{origin}: {problem}" for problem in problems))
    return settings


def describe_problems(error: ValidationError, origin: str) -> str:
    """One line per problem: where, which key, which value, what would be right."""
    return "\n".join(sorted(_describe(detail, origin) for detail in error.errors(include_url=False)))


def _describe(detail: ErrorDetails, origin: str) -> str:
    """One sentence for one pydantic error: file or environment, key, value, what is allowed."""
    location = [part for part in detail["loc"] if not _is_union_tag(part, detail["loc"])]
    kind = detail["type"]
    unknown = kind == "extra_forbidden"
    name = setter(location, or_below=unknown) if location and origin != OPTIONS else ""
    origin = "environment" if name else origin
    key = _printable(name or ".".join(map(str, location)) or "the file")
    if unknown:
        return f"{origin}: unknown {'variable' if name else 'key'} {key}; {_hint(location, name)}"
    if kind == "missing":
        return f"{origin}: {key} is missing; add it"
    if kind == "union_tag_not_found":
        return f"{origin}: {key}.type is missing; set it to one of {', '.join(_SOURCE_TYPES)}"
    if kind == "union_tag_invalid":
        found = _printable(detail["ctx"]["tag"])
        return f"{origin}: {key}.type = {found!r} is not one of {', '.join(_SOURCE_TYPES)}"
    reason = detail["msg"].removeprefix("Value error, ")
    if kind == "value_error":
        return f"{origin}: {key}: {reason}"
    return f"{origin}: {key} = {_shown(detail['input'])} is not valid: {reason[0].lower()}{reason[1:]}"


def _hint(location: Sequence[int | str], name: str) -> str:
    """The known name nearest to an unknown variable or key, else all that are known there."""
    known, wrong = _known_keys(location[:-1]), name or _printable(str(location[-1]))
    if name:
        beside = [(*location[:-1], key) for key in known]
        all_tables = [(name, key) for name in AgentSettings.model_fields for key in _known_keys([name])]
        known = [variable(keys) for keys in (*beside, *all_tables)]
    near = difflib.get_close_matches(wrong, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(known))}"


def _printable(text: str) -> str:
    """A name as it may stand in a line, as far as anybody reads it."""
    return printable(text)[:_SHOWN_CHARACTERS]


def _shown(value: object) -> str:
    """A refused value; not one with a password, or that has no short form."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits; tables in tables in tables
        return f"({type(value).__name__})"
    return "(hidden)" if "@" in text or "://" in text else text[:_SHOWN_CHARACTERS]


def _is_union_tag(part: int | str, location: Sequence[int | str]) -> bool:
    """Pydantic puts the chosen source type after the source's name; users never wrote it there."""
    return len(location) > 2 and location[0] == "sources" and part is location[2] and part in _SOURCE_TYPES  # noqa: PLR2004


def _known_keys(location: Sequence[int | str]) -> list[str]:
    """Field names of the table at ``location``, tolerant of places that are no table."""
    model: type[BaseModel] = AgentSettings
    for depth, part in enumerate(location):
        if depth == 0 and part == "sources":
            return sorted({name for source in _SOURCE_TYPES.values() for name in source.model_fields})
        field = model.model_fields.get(str(part))
        annotation = field.annotation if field else None
        candidates = (annotation, *get_args(annotation))
        nested = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
        if nested is None:
            return []
        model = nested
    return list(model.model_fields)


def _contradictions(settings: AgentSettings) -> Iterator[str]:
    """Problems that no single key shows: prohibited use and files that are not there."""
    deployment = settings.deployment
    if deployment.context in {"workplace", "education"} and not deployment.safety_purpose.strip():
        yield _PROHIBITED.format(context=deployment.context)
    if settings.privacy.day_total and not settings.expressions:
        yield "privacy.day_total = true: only sources that count expressions have a day's total; leave it out"
    yield from file_problems("models", settings.models)
    yield from file_problems("mqtt", settings.mqtt)
    for name, source in settings.sources.items():
        yield from file_problems(f"sources.{name}", source)
