"""What the agent orders of a camera process, and what that answers; both ways as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import Any, Final, get_args, get_type_hints

from agent.source.cameras import CameraMode, ChosenFormat, OpenCvSettings, Picamera2Settings
from agent.source.isolation.slots import SlotLayout


@dataclass(frozen=True, slots=True)
class Setup:
    """Ordered once, first of all: which camera to hold."""

    name: str
    """Of the source."""
    settings: OpenCvSettings | Picamera2Settings
    chosen: ChosenFormat | None
    """What the camera's first process found out, for the next one."""


@dataclass(frozen=True, slots=True)
class Open:
    """Ordered: open the camera, and stream until it is to be closed."""

    login: str = field(default="", repr=False)
    """``user:password``, read anew for every opening: the process can't read the file."""


@dataclass(frozen=True, slots=True)
class Close:
    """Ordered: release the camera and stay."""


@dataclass(frozen=True, slots=True)
class RestUntil:
    """Ordered: pass frames over up to a time."""

    at_s: float
    """In monotonic seconds."""


@dataclass(frozen=True, slots=True)
class Reuse:
    """Ordered: nobody looks at this slot any more."""

    generation: int
    slot: int


@dataclass(frozen=True, slots=True)
class Opened:
    """Answered: frames follow."""

    chosen: ChosenFormat | None


@dataclass(frozen=True, slots=True)
class Delivered:
    """Answered: a frame lies in a slot."""

    generation: int
    slot: int
    at_s: float
    """Of its capture, in monotonic seconds."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Answered: the camera can't be opened or has stopped."""

    for_good: bool
    text: str


@dataclass(frozen=True, slots=True)
class Closed:
    """Answered: the camera is released."""


Order = Setup | Open | Close | RestUntil | Reuse | SlotLayout
Answer = Opened | SlotLayout | Delivered | Failed | Closed
"""A :class:`SlotLayout` asks for memory, and is sent back with its descriptor."""

_PARTS: Final = (OpenCvSettings, Picamera2Settings, ChosenFormat, CameraMode)
_FIELDS: Final = {
    kind.__name__: (kind, get_type_hints(kind)) for kind in (*get_args(Order | Answer), *_PARTS)
}
_KIND: Final = "is"


def to_json(message: Order | Answer) -> bytes:
    """For the wire."""
    return json.dumps(message, default=_table).encode()


def from_json(data: bytes) -> Order | Answer:
    """The reverse of :func:`to_json`.

    Raises:
        ValueError: It is no message: the other process is broken, or was taken over by what it decodes.
    """
    try:
        message = json.loads(data, object_hook=_meant)
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if not isinstance(message, Order | Answer):
        raise ValueError("it is only a part of a message")  # noqa: TRY004 - the data is wrong, not the caller
    return message


def _table(part: Any) -> dict[str, Any]:
    return {_KIND: type(part).__name__, **{own.name: getattr(part, own.name) for own in fields(part)}}


def _meant(table: dict[str, Any]) -> Any:
    kind, wanted = _FIELDS[table.pop(_KIND)]
    for name, value in table.items():
        whole = wanted[name] is float and isinstance(value, int)
        if not whole and not isinstance(value, wanted[name]):
            raise TypeError(f"{kind.__name__}.{name} can't be {value!r}")
    return kind(**table)
