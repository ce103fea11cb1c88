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
    """Differential privacy: loss of one track in one window, by all that is published of it together; None
    adds no noise."""
    day_total: bool = False
    """Also publish each day's total, which has noise of its own and takes its part of ``epsilon``."""
    publish_sums: bool = False
    """Also publish, with its counts, a window's summed probabilities; they take their part as well."""
    max_tracks_per_person: int | None = Field(default=None, ge=1, le=10_000)
    """One person can add at most so many tracks to a window, by whatever tricks: a track counts in a window
    once it was in view there for this fraction of ``window_s``. None counts whatever the tracker confirms."""

    @model_validator(mode="after")
    def _individual_counts_are_acknowledged(self) -> Self:
        if self.min_count == 1 and not self.acknowledge_individual_counts:
            msg = "min_count = 1 shows single people: set acknowledge_individual_counts = true or raise it"
            raise ValueError(msg)
        if self.window_s < SHORTEST_WINDOW_S and self.min_count > 1:
            msg = "windows under 60 s need min_count = 1 and acknowledge_individual_counts = true"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _a_total_over_windows_has_noise(self) -> Self:
        if self.day_total and self.epsilon is None:
            msg = (
                "day_total = true needs noise, or suppressed windows could be subtracted from it: set epsilon"
            )
            raise ValueError(msg)
        return self

    @property
    def counts_after_s(self) -> float:
        """Seconds in view after which a track counts in a window; 0 counts it from its first reading."""
        return 0.0 if self.max_tracks_per_person is None else self.window_s / self.max_tracks_per_person
