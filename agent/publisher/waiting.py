"""What is known of a window between its end and the broker's acknowledgement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.contract import AnyWindowMessage


@dataclass(frozen=True, slots=True)
class WaitingWindow:
    """A closed window and what is needed to stamp it anew once the clock is right."""

    source: str
    message: AnyWindowMessage
    opened_at_s: float
    """Monotonic seconds; they mean something only while ``boot_id`` is this boot's."""
    closed_at_s: float
    boot_id: str

    @property
    def key(self) -> tuple[str, str, int]:
        """Identifies the window for ever, also when it is sent twice."""
        return (self.message.session_id, self.source, self.message.seq)
