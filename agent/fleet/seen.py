"""Messages of version 1 as a reader takes them in."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from agent.domain import LABELS

Number = Annotated[float, Field(ge=0.0, le=1e12)]
Integer = Annotated[int, Field(ge=0, le=2**53)]
Name = Annotated[str, Field(max_length=128)]


class Seen(BaseModel):
    """Base of what is read: fields added later within v1 are ignored, NaN is refused."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class SeenCounts(Seen):
    """A window as far as it is shown."""

    session_id: Name
    seq: Integer
    window_start: AwareDatetime
    window_end: AwareDatetime
    historical: bool = False
    suppressed: bool
    people: Integer | None = None
    counts: dict[Name, Integer] | None = None
    coverage: Annotated[float, Field(ge=0.0, le=1.0)]

    @property
    def dominant(self) -> str:
        """Label with the most votes; empty when nobody was counted or it is not told."""
        votes = {label: (self.counts or {}).get(label, 0) for label in LABELS}
        best = max(votes, key=lambda label: votes[label])
        return best if votes[best] > 0 else ""


class SeenNetwork(Seen):
    """Of the birth message."""

    id: Name = ""
    precision: Name = ""


class SeenModels(Seen):
    """Of the birth message."""

    detector: SeenNetwork = SeenNetwork()
    classifier: SeenNetwork | None = None
    """None with a detector that tells expressions by itself."""


class SeenPolicy(Seen):
    """Of the birth message."""

    window_s: Number = 300.0


class SeenBirth(Seen):
    """A birth as far as it is shown."""

    agent: Name = ""
    models: SeenModels = SeenModels()
    backend: Name = ""
    policy: SeenPolicy = SeenPolicy()


class SeenLatency(Seen):
    """Of the health message."""

    p99: Number | None = None


class SeenQueue(Seen):
    """Of the health message."""

    depth: Integer = 0
    dropped: Integer = 0


class SeenHealth(Seen):
    """A health as far as it is shown."""

    state: Name
    rss_mb: Number | None = None
    fps: Number | None = None
    budget_ms: Number | None = None
    latency_ms: SeenLatency = SeenLatency()
    queue: SeenQueue = SeenQueue()
    clock_synced: bool = True
