"""The message every session begins with: what runs, under which policy, and how far it can be trusted."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from agent.contract.messages import Message, NonNegative


class ModelIdentity(Message):
    """Which network runs."""

    id: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    precision: str


class BirthModels(Message):
    """The networks of a session; ``classifier`` is null with a single-stage detector, or without need."""

    detector: ModelIdentity
    classifier: ModelIdentity | None = None
    signed_by: str | None = Field(
        default=None, description="id of the key that signed the networks; null: unsigned, as configured"
    )


class LedgerEntry(Message):
    """What one release may cost one track in one window; the entries add up to ``epsilon``."""

    release: str = Field(description="counts, sums or day; later versions may add more")
    epsilon: float = Field(gt=0.0)
    sensitivity: int = Field(
        ge=1, description="units of the release that one track changes, over all labels together"
    )


class BirthPolicy(Message):
    """The privacy policy in force."""

    window_s: float = Field(gt=0.0)
    min_count: int = Field(ge=1)
    epsilon: float | None = Field(default=None, description="differential privacy; null adds no noise")
    epsilon_per_day: float | None = Field(
        default=None, description="privacy loss of one track that stays in view all day; null without noise"
    )
    max_tracks_per_person: int | None = Field(
        default=None, description="most tracks of one person that one window can count; null without a bound"
    )
    epsilon_per_person_day: float | None = Field(
        default=None,
        description="most privacy loss of one person in a day of a source; null: no noise or bound",
    )
    ledger: tuple[LedgerEntry, ...] = Field(default=(), description="empty without noise")
    unit: str = Field(
        default="one track in one window",
        description="what min_count counts and epsilon protects; one person may be several tracks",
    )


class BirthMeasuredCount(Message):
    """How many tracks a source counts for each person, as an installer has measured it by hand."""

    count_ratio: float = Field(gt=0.0, description="tracks per person; people = tracks / count_ratio")
    count_ratio_low: NonNegative = Field(description="lower end of its 95 % interval")
    count_ratio_high: float = Field(gt=0.0, description="upper end of its 95 % interval")
    counted_on: date


class BirthMessage(Message):
    """What runs on the device, retained and sent again at every accepted connect."""

    schema_id: Literal["emotion-agent/birth/1"] = Field(default="emotion-agent/birth/1", alias="schema")
    session_id: str = Field(min_length=1)
    agent: str = Field(description="version of the agent")
    models: BirthModels
    backend: str
    policy: BirthPolicy
    sources: tuple[str, ...]
    measured_count: dict[str, BirthMeasuredCount] = Field(
        default_factory=dict, description="by source; only of those where somebody has counted by hand"
    )
    expressions: bool = Field(default=True, description="false: none is inferred, people only are counted")
    lines: tuple[str, ...] = Field(
        default=(), description="of the sources, those that count crossings of a line instead of people"
    )
