"""Messages of version 1 as a reader takes them in, and what one of them told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from agent.domain import LABELS

if TYPE_CHECKING:
    from agent.contract import Address


def _or_none(value: object, read: ValidatorFunctionWrapHandler) -> object:
    try:
        return read(value)
    except ValidationError:
        return None


IF_READABLE: Final = WrapValidator(_or_none)
"""For what is only told beside the rest: not understood, it is None and the message still counts."""

_MAX_LABELS: Final = 64
Number = Annotated[float, Field(ge=0.0, le=1e12)]
Integer = Annotated[int, Field(ge=0, le=2**53)]
Name = Annotated[str, Field(max_length=128)]


class Seen(BaseModel):
    """Base of what is read: fields added later within v1 are ignored, NaN is refused."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class SeenCounts(Seen):
    """A window as far as it is shown, whatever its source counts."""

    session_id: Name
    seq: Integer
    window_start: Annotated[AwareDatetime | None, IF_READABLE] = None
    window_end: AwareDatetime
    historical: bool = False
    suppressed: bool
    people: Integer | None = None
    """None of a window that counts crossings, too."""
    came_in: Annotated[Integer | None, Field(alias="in")] = None
    went_out: Annotated[Integer | None, Field(alias="out")] = None
    counts: Annotated[dict[Name, Integer], Field(max_length=_MAX_LABELS)] | None = None
    coverage: Annotated[float, Field(ge=0.0, le=1.0)]

    @property
    def total(self) -> int | None:
        """People, or crossings both ways; None where it is not told."""
        if self.came_in is None or self.went_out is None:
            return self.people
        return self.came_in + self.went_out

    @property
    def dominant(self) -> str:
        """Label with the most votes; empty when nobody was counted or it is not told."""
        votes = {label: (self.counts or {}).get(label, 0) for label in LABELS}
        best = max(votes, key=lambda label: votes[label])
        return best if votes[best] > 0 else ""


class SeenDay(Seen):
    """A day's total."""

    session_id: Name
    seq: Integer
    day_start: AwareDatetime
    day_end: AwareDatetime
    suppressed: bool
    people: Integer | None = None
    counts: Annotated[dict[Name, Integer], Field(max_length=_MAX_LABELS)] | None = None
    coverage: Annotated[float, Field(ge=0.0, le=1.0)]
    first_seq: Integer
    windows: Annotated[int, Field(ge=1, le=100_000)]
    """From ``first_seq`` on."""


class SeenNetwork(Seen):
    """Of the birth message."""

    id: Name = ""
    precision: Name = ""


class SeenModels(Seen):
    """Of the birth message."""

    detector: SeenNetwork = SeenNetwork()
    classifier: SeenNetwork | None = None
    """None with a detector that tells expressions by itself."""


class SeenEntry(Seen):
    """Of the ledger in the birth message."""

    release: Name
    epsilon: Annotated[float, Field(gt=0.0, le=1e12)]
    sensitivity: Annotated[int, Field(ge=1, le=2**53)]


class SeenPolicy(Seen):
    """Of the birth message."""

    window_s: Number = 300.0
    ledger: Annotated[tuple[SeenEntry, ...], Field(max_length=_MAX_LABELS), IF_READABLE] | None = ()
    """Empty without noise."""


class SeenBirth(Seen):
    """A birth as far as it is shown."""

    agent: Name = ""
    models: Annotated[SeenModels | None, IF_READABLE] = None
    backend: Annotated[Name | None, IF_READABLE] = None
    policy: SeenPolicy = SeenPolicy()
    expressions: Annotated[bool | None, IF_READABLE] = True
    """None where it can't be read."""


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
    rss_mb: Annotated[Number | None, IF_READABLE] = None
    fps: Annotated[Number | None, IF_READABLE] = None
    budget_ms: Number | None = None
    latency_ms: SeenLatency = SeenLatency()
    queue: SeenQueue = SeenQueue()
    clock_synced: bool = True


@dataclass(frozen=True, slots=True)
class Told:
    """One message of version 1 that was understood."""

    address: Address
    """Who spoke, and of what."""
    message: object = None
    """The payload as plain values, fields of later versions included; None for an availability."""
    online: bool | None = None
    """Of an availability."""
    window: SeenCounts | None = None
    """Of a source, whatever it counts."""
    duplicate: bool = False
    """Whether the window had arrived before."""
    missing: int = 0
    """Windows of its source that were numbered and have not arrived."""

    def as_json(self) -> dict[str, object]:
        """``site``, ``device``, ``kind``, for windows and days ``source``, then what was told."""
        address = self.address
        place = {"site": address.site, "device": address.device, "kind": address.kind}
        place |= {"source": address.source} if address.source else {}
        if self.online is not None:
            return {**place, "online": self.online}
        if self.window is None:
            return {**place, "message": self.message}
        arrival = {"duplicate": self.duplicate, "missing": self.missing}
        return {**place, **arrival, "message": self.message}
