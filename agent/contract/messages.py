"""The payloads of MQTT contract v1 as frozen values; ``agent/contract/schemas`` is generated from them.

Within v1 the payloads grow only by addition: what is sent here refuses unknown fields, while the
published JSON Schemas allow them, so that a reader made today accepts next year's message.

Regenerate the schema files with ``python -m agent.contract.schema``.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal, Self, get_args

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

if TYPE_CHECKING:
    from agent.domain import Disclosure, Stamps, Window


def rfc3339(moment: datetime) -> str:
    """UTC with milliseconds and ``Z``, such as ``2026-11-22T06:35:00.250Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_session_id() -> str:
    """Random name of one run of the agent; with ``seq`` it identifies a window for ever."""
    return uuid.uuid4().hex


UtcTime = Annotated[
    AwareDatetime,
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "description": "RFC 3339, UTC"}),
]
NonNegative = Annotated[float, Field(ge=0.0)]
Tally = Annotated[int, Field(ge=0)]
Coverage = Annotated[
    float,
    Field(ge=0.0, le=1.0, description="share of the window in which the camera delivered, in steps of 0.1"),
]

HealthState = Literal["starting", "ok", "degraded", "over_budget", "no_camera", "ended"]
"""``degraded``: a lower tier or some cameras only; ``ended``: a replayed file is finished."""

GrowingHealthState = Annotated[
    HealthState,
    WithJsonSchema(
        {
            "type": "string",
            "examples": list(get_args(HealthState)),
            "description": "one of the examples; later versions may add more",
        }
    ),
]


class Message(BaseModel):
    """Base of every payload and part: unknown fields, NaN and changes after creation are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, serialize_by_alias=True)

    def payload(self) -> bytes:
        """Compact UTF-8 JSON, as it goes over the wire."""
        return self.model_dump_json(by_alias=True).encode()


class ExpressionCounts(Message):
    """Votes per facial-expression estimate; one track is one vote. Every label is always present."""

    neutral: Tally
    happiness: Tally
    surprise: Tally
    sadness: Tally
    anger: Tally
    disgust: Tally
    fear: Tally
    contempt: Tally
    unknown: Tally


class WindowMessage(Message):
    """What every closed window of one source says. ``(session_id, source, seq)`` identifies it.

    Each kind adds what was counted, and coverage last.
    """

    schema_id: str = Field(alias="schema")
    session_id: str = Field(min_length=1)
    seq: int = Field(ge=0, description="window number within session and source, from 0, without gaps")
    window_start: UtcTime
    window_end: UtcTime
    clock_synced: bool = Field(description="false: the device did not yet know the right time")
    historical: bool = Field(description="true: could not be sent when the window closed")
    suppressed: bool

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.window_end <= self.window_start:
            raise ValueError("window_end must lie after window_start")
        return self


class CountsMessage(WindowMessage):
    """One closed window of one source. ``(session_id, source, seq)`` identifies it, also when sent twice."""

    schema_id: Literal["emotion-agent/counts/1"] = Field(default="emotion-agent/counts/1", alias="schema")
    suppressed: bool = Field(description="true: too few people to publish; people and counts are null")
    people: Tally | None
    counts: ExpressionCounts | None
    coverage: Coverage

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_counts(self.people, self.counts, suppressed=self.suppressed)
        return self


def check_counts(people: int | None, counts: ExpressionCounts | None, *, suppressed: bool) -> None:
    """Raise what a payload of people and counts must not say.

    Raises:
        ValueError: Something is told though suppressed, or people are not the sum of the counts.
    """
    silent = (people is None, counts is None)
    if silent != (suppressed, suppressed):
        raise ValueError("people and counts are null exactly when suppressed")
    if counts is not None and people != sum(counts.model_dump().values()):
        raise ValueError("people must be the sum of counts")


class LatencyQuantiles(Message):
    """Milliseconds from capture to reading in the sources' last windows; null while those are suppressed."""

    p50: NonNegative | None = None
    p95: NonNegative | None = None
    p99: NonNegative | None = None


class CameraHealth(Message):
    """How one camera is doing."""

    state: str = Field(description="starting, delivering, reopening or ended")
    reconnects: Tally = 0
    stalls_1h: Tally = 0
    picture: str = Field(
        default="good", description="good, black, overexposed, covered or frozen, as the last window closed"
    )
    reason: str = Field(default="", description="what is wrong, in one sentence; empty when all is well")


class QueueHealth(Message):
    """Windows waiting for the broker, and windows given up since the start."""

    depth: Tally = 0
    dropped: Tally = 0
    damaged: Tally = Field(
        default=0,
        description="of those dropped: windows, at least so many, of which the stored copy was damaged",
    )


class HealthMessage(Message):
    """How the agent is doing, retained."""

    schema_id: Literal["emotion-agent/health/1"] = Field(default="emotion-agent/health/1", alias="schema")
    state: GrowingHealthState
    uptime_s: NonNegative
    rss_mb: NonNegative
    cpu_temp_c: float | None = Field(default=None, description="in steps of 5")
    throttled: bool | None = Field(default=None, description="null where the board can't tell")
    fps: NonNegative | None = Field(
        default=None,
        description="frames looked at per second in the sources' last windows; null while suppressed",
    )
    latency_ms: LatencyQuantiles = LatencyQuantiles()
    budget_ms: NonNegative
    frames_dropped: Tally = Field(default=0, description="in published windows, since the start")
    tier: str = Field(
        default="", description="detector network and input size; empty while windows are suppressed"
    )
    camera: CameraHealth = Field(description="the worst of ``cameras``")
    cameras: dict[str, CameraHealth] = Field(default_factory=dict)
    queue: QueueHealth = QueueHealth()
    clock_synced: bool


def counts_message(window: Window, disclosure: Disclosure, session_id: str, stamps: Stamps) -> CountsMessage:
    """What may be told of a closed window; its undisclosed counts are not looked at."""
    return CountsMessage(
        session_id=session_id,
        seq=window.sequence,
        window_start=stamps.start,
        window_end=stamps.end,
        clock_synced=stamps.synced,
        historical=False,
        suppressed=disclosure.suppressed,
        people=disclosure.people,
        counts=None if disclosure.counts is None else ExpressionCounts(**disclosure.counts),
        # Finer steps would tell to the second how long a room was lit.
        coverage=round(window.coverage, 1),
    )
