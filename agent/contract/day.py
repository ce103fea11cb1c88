"""The total of a day, which exists with noise only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from agent.contract.messages import (
    Coverage,
    ExpressionCounts,
    Tally,
    UtcTime,
    WindowMessage,
    check_counts,
)

if TYPE_CHECKING:
    from agent.domain import DayTotal, Disclosure, Stamps


class DayMessage(WindowMessage):
    """The total of a run of whole windows of one source, a day's at most, with noise of its own.

    ``(session_id, source, seq)`` identifies it among the totals, also when sent twice.
    """

    model_config = ConfigDict(populate_by_name=True)

    schema_id: Literal["emotion-agent/day/1"] = Field(default="emotion-agent/day/1", alias="schema")
    seq: int = Field(ge=0, description="total number within session and source, from 0, without gaps")
    window_start: UtcTime = Field(alias="day_start")
    window_end: UtcTime = Field(alias="day_end")
    historical: bool = Field(description="true: could not be sent when the day ended")
    suppressed: bool = Field(description="true: too few people to publish; people and counts are null")
    people: Tally | None
    counts: ExpressionCounts | None
    first_seq: int = Field(ge=0, description="seq of the first of its windows")
    windows: int = Field(
        ge=1, description="number of its windows, suppressed ones included; their seq follow each other"
    )
    coverage: Coverage

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_counts(self.people, self.counts, suppressed=self.suppressed)
        return self


def day_message(total: DayTotal, disclosure: Disclosure, session_id: str, stamps: Stamps) -> DayMessage:
    """What may be told of a day; its undisclosed counts are not looked at."""
    return DayMessage(
        session_id=session_id,
        seq=total.sequence,
        window_start=stamps.start,
        window_end=stamps.end,
        clock_synced=stamps.synced,
        historical=False,
        suppressed=disclosure.suppressed,
        people=disclosure.people,
        counts=None if disclosure.counts is None else ExpressionCounts(**disclosure.counts),
        first_seq=total.first_window,
        windows=total.windows,
        coverage=round(total.coverage, 1),
    )
