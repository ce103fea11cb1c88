"""The windows of sources that count no expressions, and any window by what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal, Self, TypeAlias

from pydantic import ConfigDict, Field, TypeAdapter, model_validator

from agent.contract.day import DayMessage, day_message
from agent.contract.messages import CountsMessage, Coverage, Tally, WindowMessage, counts_message
from agent.domain import DayTotal, Disclosure, PeopleDisclosure

if TYPE_CHECKING:
    from agent.contract.topics import WindowKind
    from agent.domain import AnyDisclosure, Stamps, Window


class PeopleMessage(WindowMessage):
    """One closed window of one source of which only people are counted; no expression was inferred."""

    schema_id: Literal["emotion-agent/people/1"] = Field(default="emotion-agent/people/1", alias="schema")
    suppressed: bool = Field(description="true: too few people to publish; people is null")
    people: Tally | None
    coverage: Coverage

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.people is None) != self.suppressed:
            raise ValueError("people is null exactly when suppressed")
        return self


class CrossingsMessage(WindowMessage):
    """One closed window of one source that counts who crosses a line; no expression was inferred."""

    model_config = ConfigDict(populate_by_name=True)

    schema_id: Literal["emotion-agent/crossings/1"] = Field(
        default="emotion-agent/crossings/1", alias="schema"
    )
    suppressed: bool = Field(description="true: too few crossings to publish; in and out are null")
    came_in: Tally | None = Field(alias="in", description="crossings to the line's right")
    went_out: Tally | None = Field(alias="out", description="crossings to the line's left")
    coverage: Coverage

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        silent = (self.came_in is None, self.went_out is None)
        if silent != (self.suppressed, self.suppressed):
            raise ValueError("in and out are null exactly when suppressed")
        return self


AnyWindowMessage: TypeAlias = CountsMessage | PeopleMessage | CrossingsMessage | DayMessage

_ANY: Final[TypeAdapter[AnyWindowMessage]] = TypeAdapter(
    Annotated[AnyWindowMessage, Field(discriminator="schema_id")]
)


def read_window(payload: str) -> AnyWindowMessage:
    """The window that a payload tells of, by its ``schema``.

    Raises:
        ValidationError: It is none of this contract.
    """
    return _ANY.validate_json(payload)


def kind_of(message: AnyWindowMessage) -> WindowKind:
    """The level of its topic before the source."""
    if isinstance(message, DayMessage):
        return "day"
    if isinstance(message, CountsMessage):
        return "counts"
    return "people" if isinstance(message, PeopleMessage) else "crossings"


def window_message(
    window: Window | DayTotal, disclosure: AnyDisclosure, session_id: str, stamps: Stamps
) -> AnyWindowMessage:
    """What may be told of a closed window or a day; what was counted but not disclosed is not looked at."""
    if isinstance(disclosure, Disclosure):
        if isinstance(window, DayTotal):
            return day_message(window, disclosure, session_id, stamps)
        return counts_message(window, disclosure, session_id, stamps)
    head = {
        "session_id": session_id,
        "seq": window.sequence,
        "window_start": stamps.start,
        "window_end": stamps.end,
        "clock_synced": stamps.synced,
        "historical": False,
        "suppressed": disclosure.suppressed,
        "coverage": round(window.coverage, 1),
    }
    if isinstance(disclosure, PeopleDisclosure):
        return PeopleMessage.model_validate({**head, "people": disclosure.people})
    return CrossingsMessage.model_validate({**head, "in": disclosure.came_in, "out": disclosure.went_out})
