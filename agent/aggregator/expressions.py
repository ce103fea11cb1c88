"""How many tracks showed which expression in each window.

A track votes once in every window in which it was read, for the label it was read with most often
there; of two labels read equally often, the one whose latest confidence was higher wins.

After this stage no single person exists any more, which is why this module may import nothing that holds
pixels.

At most ``MOST_TRACKS`` tracks can still change their vote. When another one is read, the vote of the track
that was read longest ago is settled and its history forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from agent.aggregator.windows import MAX_GAP_S, MOST_TRACKS, Windows
from agent.domain import LABELS, EmotionWindow, Reading

if TYPE_CHECKING:
    from agent.aggregator.windows import Seen
    from agent.domain import Window

_LABEL_INDEX: Final = {label: index for index, label in enumerate(LABELS)}


@dataclass(slots=True)
class _Vote:
    """How often one track was read with each label in the open window, in ``LABELS`` order."""

    readings: list[int] = field(default_factory=lambda: [0] * len(LABELS))
    latest_confidence: list[float] = field(default_factory=lambda: [0.0] * len(LABELS))

    def winner(self) -> int:
        """Index of the dominant label; the earlier label where everything is equal."""
        return max(
            range(len(LABELS)),
            key=lambda index: (self.readings[index], self.latest_confidence[index], -index),
        )


class Aggregator(Windows[EmotionWindow]):
    """Counts the readings of one source into windows: see :class:`agent.aggregator.windows.Windows`."""

    def __init__(self, source: str, window_s: float, now_s: float, max_gap_s: float = MAX_GAP_S) -> None:
        super().__init__(source, window_s, now_s, max_gap_s)
        self._votes: dict[int, _Vote] = {}
        self._settled = [0] * len(LABELS)

    def take(self, seen: Seen) -> None:
        """See :meth:`agent.aggregator.windows.Windows.take`."""
        self.add(seen.readings)

    def add(self, readings: Iterable[Reading]) -> None:
        """Take in readings of this moment; call :meth:`close_due` with the present time first."""
        for reading in readings:
            # Taken out and put back, so that the dict stays ordered by the time of the latest reading.
            vote = self._votes.pop(reading.track_id, None)
            if vote is None:
                vote = _Vote()
                if len(self._votes) >= MOST_TRACKS:
                    oldest = self._votes.pop(next(iter(self._votes)))
                    self._settled[oldest.winner()] += 1
            label_index = _LABEL_INDEX[reading.label]
            vote.readings[label_index] += 1
            vote.latest_confidence[label_index] = reading.confidence
            self._votes[reading.track_id] = vote

    def _counted(self, span: Window) -> EmotionWindow:
        totals = self._settled
        for vote in self._votes.values():
            totals[vote.winner()] += 1
        self._votes.clear()
        self._settled = [0] * len(LABELS)
        counts = {label: total for label, total in zip(LABELS, totals, strict=True) if total}
        return EmotionWindow(
            span.source, span.sequence, span.opened_at_s, span.closed_at_s, span.coverage, counts
        )
