"""The notice for the door: who counts what, why, and what is never kept, in the visitor's language.

Article 50(3) of the EU AI Act asks for it. The words stand in ``languages/<language>.toml``; the facts
come from the configuration, so that the sheet can't promise more than the device does. It speaks of
facial-expression estimates only, because that is all that is made.
"""

from __future__ import annotations

import html
import re
import textwrap
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import TYPE_CHECKING, Final

from agent.commands.notice.kinds import USUAL, Kinds
from agent.errors import ConfigError

if TYPE_CHECKING:
    from agent.settings import DeploymentSettings, PrivacySettings

LANGUAGES: Final = ("de", "en", "es", "fr", "it", "nl")

_TO_FILL_IN: Final = "_" * 40
"""Stands where the configuration is silent, to be filled in by hand."""
_WIDTH: Final = 78


@dataclass(frozen=True, slots=True)
class Words:
    """The sheet's sentences in one language: the tables of ``languages/<language>.toml``."""

    language: str
    title: str
    summary: str
    happens: Mapping[str, str]
    kept: Mapping[str, str]
    purpose: Mapping[str, str]
    contact: Mapping[str, str]
    people: Mapping[str, str]
    """Where no expression is estimated, and where a line is counted."""
    units: Mapping[str, Sequence[str]]
    """Of time: one, and several."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with labelled facts, sentences, or both."""

    heading: str
    sentences: tuple[str, ...]
    facts: tuple[tuple[str, str], ...] = ()


def render_notice(
    deployment: DeploymentSettings,
    privacy: PrivacySettings,
    kinds: Kinds = USUAL,
    *,
    language: str = "en",
    format: str = "text",  # noqa: A002 - the word that the command line uses
) -> str:
    """The sheet, ready to print; it ends with a line break.

    Args:
        deployment: Who operates the device, where and what for. Missing names leave a line to fill in.
        privacy: What is published.
        kinds: What is counted.
        language: One of ``LANGUAGES``.
        format: One of ``FORMATS``; HTML is one page with nothing to load from elsewhere.

    Raises:
        ConfigError: Language or format is not known; the known ones are named.
    """
    renderer = _RENDERERS.get(format)
    if renderer is None:
        raise ConfigError(f"there is no notice as {format!r}: choose one of {', '.join(FORMATS)}")
    words = words_in(language)
    if not kinds.expressions:
        words = replace(words, title=words.people["title"], summary=words.people["summary"])
    return renderer(words, tuple(_true_sections(words, deployment, privacy, kinds)))


def words_in(language: str) -> Words:
    """The sheet's sentences.

    Raises:
        ConfigError: The language is not known.
    """
    if language not in LANGUAGES:
        raise ConfigError(f"there is no notice in {language!r}: choose one of {', '.join(LANGUAGES)}")
    file = resources.files(__package__) / "languages" / f"{language}.toml"
    return Words(language, **tomllib.loads(file.read_text(encoding="utf-8")))


def _true_sections(
    words: Words, deployment: DeploymentSettings, privacy: PrivacySettings, kinds: Kinds
) -> Iterator[Section]:
    """The sentences that are true of this configuration."""
    happens, contact = words.happens, words.contact
    filled = {"window": duration(words.units, privacy.window_s), "min_count": privacy.min_count}
    told = tuple(text.format(**filled) for text in _what_happens(words, privacy, kinds))
    yield Section(happens["heading"], told)
    yield Section(words.kept["heading"], tuple(words.kept[key] for key in ("yes", "pictures", "identity")))
    yield Section(words.purpose["heading"], (purpose_of(words, deployment, kinds),))
    facts = (
        (contact["operator"], deployment.operator.strip() or _TO_FILL_IN),
        (contact["contact"], deployment.contact.strip() or _TO_FILL_IN),
        (contact["place"], f"{deployment.site}, {deployment.device}"),
    )
    law = contact["law"] if kinds.expressions else words.people["law"]
    yield Section(contact["heading"], (contact["rights"], law), facts)


def _what_happens(words: Words, privacy: PrivacySettings, kinds: Kinds) -> Iterator[str]:
    happens, people = words.happens, words.people
    if kinds.expressions:
        yield from (happens["estimate"], happens["uncertain"], happens["totals"])
        if privacy.day_total:
            yield happens["day"]
    else:
        yield people["finds"]
    if kinds.people:
        yield people["totals"]
    if kinds.crossings:
        yield people["line"]
    if privacy.min_count == 1:
        yield happens["single"]
    else:
        if kinds.expressions or kinds.people:
            yield happens["threshold"]
        if kinds.crossings:
            yield people["threshold"]
    if privacy.epsilon is not None:
        yield happens["noise"]


def purpose_of(words: Words, deployment: DeploymentSettings, kinds: Kinds) -> str:
    """A medical or safety purpose, where one is written out, is the purpose; else the declared context's.

    Where no expression is estimated nobody's response is learnt: most contexts then share one purpose.

    Raises:
        ConfigError: The context is prohibited without such a purpose.
    """
    safety_purpose = deployment.safety_purpose.strip()
    if safety_purpose:
        return words.purpose["safety"].format(safety_purpose=safety_purpose)
    try:
        purpose = words.purpose[deployment.context]
    except KeyError:
        raise ConfigError(
            f"deployment.context = {deployment.context!r} needs deployment.safety_purpose: write it out"
        ) from None
    responds = deployment.context not in {"research", "demo"}
    return words.people["purpose"] if responds and not kinds.expressions else purpose


def duration(units: Mapping[str, Sequence[str]], seconds: float) -> str:
    """In the largest unit that divides it, as people would say it."""
    number, unit = round(seconds), "seconds"
    for larger in ("minutes", "hours"):
        if number and number % 60 == 0:
            number, unit = number // 60, larger
    one, several = units[unit]
    return f"{number} {one if number == 1 else several}"


def _as_text(words: Words, sections: Sequence[Section]) -> str:
    lines = [words.title.upper(), "=" * len(words.title), "", *textwrap.wrap(words.summary, _WIDTH)]
    for section in sections:
        lines += ["", section.heading, "-" * len(section.heading)]
        for label, value in section.facts:
            lines += textwrap.wrap(f"{label}: {value}", _WIDTH, subsequent_indent="  ")
        for sentence in section.sentences:
            lines += textwrap.wrap(sentence, _WIDTH, initial_indent="* ", subsequent_indent="  ")
    return "\n".join(lines) + "\n"


def _as_markdown(words: Words, sections: Sequence[Section]) -> str:
    lines = [f"# {escaped(words.title)}", "", f"**{escaped(words.summary)}**"]
    for section in sections:
        lines += ["", f"## {escaped(section.heading)}", ""]
        lines += [f"- **{escaped(label)}:** {escaped(value)}" for label, value in section.facts]
        lines += [f"- {escaped(sentence)}" for sentence in section.sentences]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """No character of a name acts as Markdown, and a line break doesn't end the list item."""
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", " ".join(text.split()))


_STYLE: Final = (
    "@page{size:A4;margin:18mm}"
    "body{font:12pt/1.45 sans-serif;max-width:174mm;margin:auto;padding:1em;color:#000;background:#fff}"
    "h1{font-size:25pt;line-height:1.15;margin:0 0 .4em}h2{font-size:14pt;margin:1em 0 .25em}"
    ".summary{font-size:16pt;font-weight:bold}ul{margin:.2em 0;padding-left:1.2em}"
    "dl{margin:.2em 0}dt{font-weight:bold;float:left;clear:left;margin-right:.5em}dd{margin:0 0 .2em}"
)


def _as_html(words: Words, sections: Sequence[Section]) -> str:
    escape = html.escape
    lines = [
        "<!DOCTYPE html>",
        f'<html lang="{words.language}"><head><meta charset="utf-8">',
        f"<title>{escape(words.title)}</title><style>{_STYLE}</style></head><body>",
        f'<h1>{escape(words.title)}</h1><p class="summary">{escape(words.summary)}</p>',
    ]
    for section in sections:
        lines.append(f"<h2>{escape(section.heading)}</h2>")
        if section.facts:
            facts = "".join(
                f"<dt>{escape(label)}:</dt><dd>{escape(value)}</dd>" for label, value in section.facts
            )
            lines.append(f"<dl>{facts}</dl>")
        lines.append("<ul>" + "".join(f"<li>{escape(text)}</li>" for text in section.sentences) + "</ul>")
    return "\n".join([*lines, "</body></html>"]) + "\n"


_RENDERERS: Final[Mapping[str, Callable[[Words, Sequence[Section]], str]]] = {
    "text": _as_text,
    "markdown": _as_markdown,
    "html": _as_html,
}
FORMATS: Final = tuple(_RENDERERS)
