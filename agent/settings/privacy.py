"""What the box is for, and what its numbers may tell."""

from __future__ import annotations

from typing import Final, Literal, Self

from pydantic import Field, model_validator

from agent.settings.table import Table, TopicName

SHORTEST_WINDOW_S: Final = 60.0
"""Shorter windows say too much about single people, unless that is acknowledged."""

# fmt: off
Context = Literal[
    "retail", "museum", "event", "transport", "hospitality", "public_space",
    "healthcare", "home", "research", "demo", "workplace", "education",
]
# fmt: on


class DeploymentSettings(Table):
    """Where the box stands and what it is for; ids become topic levels, the last two stand on the notice."""

    site: TopicName
    device: TopicName
    context: Context
    """Declared use. ``workplace`` and ``education`` are refused by ``reading`` (EU AI Act Art. 5(1)(f))."""
    safety_purpose: str = ""
    """Medical or safety purpose, written out; the only exception Art. 5(1)(f) leaves."""
    operator: str = ""
    contact: str = ""


class PrivacySettings(Table):
    """What may leave the device at all."""

    window_s: float = Field(default=300.0, ge=1.0, le=86_400.0)
    min_count: int = Field(default=5, ge=1, le=1_000)
    """Windows with fewer people are published as suppressed."""
    acknowledge_individual_counts: bool = False
    """Must be true for ``min_count = 1`` or windows under 60 s: single people then show in the counts."""
    epsilon: float | None = Field(default=None, gt=0.0, le=10.0)
    """Differential privacy of each window's counts; None adds no noise."""

    @model_validator(mode="after")
    def _individual_counts_are_acknowledged(self) -> Self:
        if self.min_count == 1 and not self.acknowledge_individual_counts:
            msg = "min_count = 1 shows single people: set acknowledge_individual_counts = true or raise it"
            raise ValueError(msg)
        if self.window_s < SHORTEST_WINDOW_S and self.min_count > 1:
            msg = "windows under 60 s need min_count = 1 and acknowledge_individual_counts = true"
            raise ValueError(msg)
        return self
