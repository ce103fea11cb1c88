"""What a comparison tells of one package."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from models.evaluation.sheet import Sheet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.domain import Json


@dataclass(frozen=True, slots=True)
class Shown:
    """What a package made of the clips."""

    ms: float
    """Per frame."""
    found: float
    """Share of the true faces that the frames' counts hold."""
    right: float
    """And hold under the right expression."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One package."""

    name: str
    note: str
    """Version or file; why it was left out where nothing was shown."""
    shown: Shown | None = None

    def as_json(self) -> dict[str, Json]:
        """A row; one that was left out has no figures."""
        figures = {} if self.shown is None else asdict(self.shown)
        return {"name": self.name, **figures, "note": self.note}


def peer_sheet(peers: Sequence[Peer]) -> Sheet:
    """The table for people."""
    rows = tuple((peer.name, *_cells(peer.shown), peer.note) for peer in peers)
    columns = ("who", "ms/frame", "fps", "faces found", "labels right", "note")
    return Sheet("Side by side on one clip", columns, rows)


def _cells(shown: Shown | None) -> tuple[str, ...]:
    if shown is None:
        return ("",) * 4
    return f"{shown.ms:.1f}", f"{1000.0 / shown.ms:.0f}", f"{shown.found:.0%}", f"{shown.right:.0%}"
