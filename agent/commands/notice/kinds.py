"""What a configuration counts, as notice and assessment have to say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from agent.settings import AgentSettings


@dataclass(frozen=True, slots=True)
class Kinds:
    """Which numbers leave the device."""

    expressions: bool = True
    """People, and how many had each expression."""
    people: bool = False
    """People alone."""
    crossings: bool = False
    """Of a line, both ways."""


USUAL: Final = Kinds()


def kinds_of(settings: AgentSettings) -> Kinds:
    """Of all sources together."""
    lines = [source.line is not None for source in settings.sources.values()]
    return Kinds(settings.expressions, not settings.expressions and not all(lines), any(lines))
