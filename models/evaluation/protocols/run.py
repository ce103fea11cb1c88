"""Every protocol by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from models.evaluation.protocols.aligned import run_aligned
from models.evaluation.protocols.five import run_five
from models.evaluation.protocols.nine import run_nine
from models.evaluation.protocols.video import run_video

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from agent.domain import Json
    from models.evaluation.sheet import Sheet
    from models.evaluation.subject import Subject


class ProtocolScores(Protocol):
    """What every protocol ends with."""

    def as_json(self) -> dict[str, Json]:
        """All figures, ours and the published ones."""

    def sheets(self) -> list[Sheet]:
        """Tables for people."""


PROTOCOLS: Final[Mapping[str, Callable[[Subject, Callable[[str], None]], ProtocolScores]]] = {
    "aligned": run_aligned,
    "nine": run_nine,
    "five": run_five,
    "video": run_video,
}


def run_protocols(
    names: Iterable[str], subject: Subject, say: Callable[[str], None]
) -> dict[str, ProtocolScores]:
    """Scores by name, in the order given; names are keys of :data:`PROTOCOLS`.

    Raises:
        ModelError: Data or networks are missing or broken.
    """
    return {name: PROTOCOLS[name](subject, say) for name in names}
