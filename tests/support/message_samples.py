"""Sample windows, births and healths for tests of everything that publishes or reads."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from agent.contract.birth import BirthMessage, BirthModels, BirthPolicy, ModelIdentity
from agent.contract.messages import CameraHealth, HealthMessage
from agent.contract.topics import Identity
from agent.contract.windows import AnyWindowMessage, window_message
from agent.domain import (
    LABELS,
    CrossingsDisclosure,
    DayTotal,
    Disclosure,
    EmotionWindow,
    PeopleDisclosure,
    Stamps,
    Window,
)

IDENTITY = Identity(site="museum", device="door-1")
SESSION = "0123456789abcdef0123456789abcdef"


def birth(session_id: str = SESSION, sources: tuple[str, ...] = ("door",)) -> BirthMessage:
    """A two-stage INT8 agent."""
    network = ModelIdentity(id="yolo_face_pico_320", sha256="ab" * 32, precision="int8_u8s8")
    return BirthMessage(
        session_id=session_id,
        agent="0.1.0",
        models=BirthModels(
            detector=network,
            classifier=ModelIdentity(id="mobilenet_emotion", sha256="cd" * 32, precision="int8_u8s8"),
            signed_by="0123456789abcdef",
        ),
        backend="onnxruntime",
        policy=BirthPolicy(window_s=300.0, min_count=5),
        sources=sources,
    )


def modest_birth() -> BirthMessage:
    """Of an agent that infers no expression: one source counts people, the other who crosses a line."""
    full = birth(sources=("hall", "door"))
    models = full.models.model_copy(update={"classifier": None})
    return full.model_copy(update={"models": models, "expressions": False, "lines": ("door",)})


def health(frames_dropped: int = 0) -> HealthMessage:
    """A healthy agent."""
    return HealthMessage(
        state="ok",
        uptime_s=12.5,
        rss_mb=80.0,
        fps=10.0,
        budget_ms=100.0,
        frames_dropped=frames_dropped,
        tier="yolo_face_pico_320",
        camera=CameraHealth(state="delivering"),
        clock_synced=True,
    )


def window(seq: int, source: str = "door", *, length_s: float = 60.0) -> EmotionWindow:
    """Number ``seq`` of touching windows, the first of which opens now."""
    opened_at_s = time.monotonic() + seq * length_s
    return EmotionWindow(source, seq, opened_at_s, opened_at_s + length_s, coverage=1.0)


def disclosure(people: int = 7) -> Disclosure:
    """All of them look happy."""
    return Disclosure(
        suppressed=False, people=people, counts=dict.fromkeys(LABELS, 0) | {"happiness": people}
    )


def day(seq: int = 0) -> AnyWindowMessage:
    """A day of two windows that ended just now."""
    stamps = Stamps(datetime.now(UTC) - timedelta(minutes=10), datetime.now(UTC), synced=True)
    total = DayTotal("door", seq, 0, 2, 0.0, 600.0, 1.0, dict.fromkeys(LABELS, 0))
    return window_message(total, disclosure(), SESSION, stamps)


SUPPRESSED = Disclosure(suppressed=True, people=None, counts=None)

PEOPLE = PeopleDisclosure(suppressed=False, people=7)
CROSSINGS = CrossingsDisclosure(suppressed=False, came_in=4, went_out=3)
FEW_PEOPLE = PeopleDisclosure(suppressed=True, people=None)
FEW_CROSSINGS = CrossingsDisclosure(suppressed=True, came_in=None, went_out=None)


def message_of(
    disclosed: Disclosure | PeopleDisclosure | CrossingsDisclosure, seq: int = 0, length_s: float = 300.0
) -> AnyWindowMessage:
    """The message of a window ``seq`` of ``door``, stamped from a fixed day on."""
    start = datetime(2026, 11, 22, 6, 0, tzinfo=UTC) + timedelta(seconds=seq * length_s)
    stamps = Stamps(start, start + timedelta(seconds=length_s), synced=True)
    closed = Window("door", seq, seq * length_s, (seq + 1) * length_s, coverage=1.0)
    return window_message(closed, disclosed, SESSION, stamps)
