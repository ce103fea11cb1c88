"""Whatever waits in the queue, by what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from pydantic import Field, TypeAdapter

from agent.contract.day import DayMessage, day_message
from agent.contract.messages import CountsMessage, counts_message
from agent.domain import DayTotal

if TYPE_CHECKING:
    from agent.contract.topics import WindowKind
    from agent.domain import Disclosure, EmotionWindow, Stamps

AnyWindowMessage: TypeAlias = CountsMessage | DayMessage

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
    return "day" if isinstance(message, DayMessage) else "counts"


def window_message(
    window: EmotionWindow | DayTotal, disclosure: Disclosure, session_id: str, stamps: Stamps
) -> AnyWindowMessage:
    """What may be told of a closed window or a day; what is not disclosed is not looked at."""
    if isinstance(window, DayTotal):
        return day_message(window, disclosure, session_id, stamps)
    return counts_message(window, disclosure, session_id, stamps)
