"""What is known of a window between its end and the broker's acknowledgement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.contract import kind_of

if TYPE_CHECKING:
    from agent.contract import AnyWindowMessage


@dataclass(frozen=True, slots=True)
class WaitingWindow:
    """A closed window, or a day, and what is needed to stamp it anew once the clock is right."""

    source: str
    message: AnyWindowMessage
    opened_at_s: float
    """Monotonic seconds; they mean something only while ``boot_id`` is this boot's."""
    closed_at_s: float
    boot_id: str

    @property
    def series(self) -> str:
        """Whose numbers follow each other: the windows of a source are one series, its days another."""
        return f"{kind_of(self.message)}/{self.source}"

    @property
    def key(self) -> tuple[str, str, int]:
        """Identifies the window for ever, also when it is sent twice."""
        return (self.message.session_id, self.series, self.message.seq)
