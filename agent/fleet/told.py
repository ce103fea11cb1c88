"""What one message of the fleet told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.contract import Address
    from agent.fleet.seen import SeenCounts


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
    """Of counts."""
    duplicate: bool = False
    """Whether the window had arrived before."""
    missing: int = 0
    """Windows of its source that were numbered and have not arrived."""

    def as_json(self) -> dict[str, object]:
        """``site``, ``device``, ``kind``, for counts ``source``, then what was told."""
        address = self.address
        place = {"site": address.site, "device": address.device, "kind": address.kind}
        if self.online is not None:
            return {**place, "online": self.online}
        if self.window is None:
            return {**place, "message": self.message}
        arrival = {"duplicate": self.duplicate, "missing": self.missing}
        return {**place, "source": address.source, **arrival, "message": self.message}
