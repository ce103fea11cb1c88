"""Reads a configuration file into :class:`AgentSettings`, or says all that is wrong with it at once."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

from pydantic import BaseModel, ValidationError

from agent.errors import ConfigError
from agent.settings import AgentSettings, OpenCvSource, Picamera2Source, ReplaySource

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

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
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"configuration file {path} does not exist; name one with --config") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"can't read configuration file {path}: {error}; check its permissions") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}; correct that line") from error
    return parse_settings(raw, origin=str(path))


def parse_settings(raw: Mapping[str, object], origin: str) -> AgentSettings:
    """Validate already parsed tables; ``origin`` names their place in messages.

    Raises:
        ConfigError: Anything is wrong; one line per problem.
    """
    try:
        settings = AgentSettings.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(describe_problems(error, origin)) from None
    problems = list(_contradictions(settings))
    if problems:
        raise ConfigError("\n".join(f"{origin}: {problem}" for problem in problems))
    return settings


def describe_problems(error: ValidationError, origin: str) -> str:
    """One line per problem: where, which key, which value, what would be right."""
    problems = sorted(_describe(detail) for detail in error.errors(include_url=False))
    return "\n".join(f"{origin}: {problem}" for problem in problems)


def _describe(detail: ErrorDetails) -> str:
    """One sentence for one pydantic error: key, value, what is allowed."""
    location = [part for part in detail["loc"] if not _is_union_tag(part, detail["loc"])]
    key = ".".join(str(part) for part in location) or "the file"
    kind = detail["type"]
    if kind == "extra_forbidden":
        known = _known_keys(location[:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(known))}"
        return f"unknown key {key}; {hint}"
    if kind == "missing":
        return f"{key} is missing; add it"
    if kind == "union_tag_not_found":
        return f"{key}.type is missing; set it to one of {', '.join(_SOURCE_TYPES)}"
    if kind == "union_tag_invalid":
        found = detail["ctx"]["tag"]
        return f"{key}.type = {found!r} is not one of {', '.join(_SOURCE_TYPES)}"
    reason = detail["msg"].removeprefix("Value error, ")
    if kind == "value_error":
        return f"{key}: {reason}"
    value = repr(detail["input"])
    shown = "(hidden)" if "@" in value else value[:80]
    return f"{key} = {shown} is not valid: {reason[0].lower()}{reason[1:]}"


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
    tables: dict[str, BaseModel] = {"models": settings.models, "mqtt": settings.mqtt}
    tables |= {f"sources.{name}": source for name, source in settings.sources.items()}
    for name, table in tables.items():
        for key, value in table:
            for path in value if isinstance(value, tuple) else (value,):
                if isinstance(path, Path) and not path.exists():
                    where = f"{name}.{key} = {str(path)!r}"
                    yield f"{where} does not exist; correct the path or put the file there"
