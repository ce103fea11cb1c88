"""The seam to ways of counting: which one serves a source is decided here."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from agent.aggregator.crossings import CrossingsAggregator
from agent.aggregator.expressions import Aggregator
from agent.aggregator.people import PeopleAggregator
from agent.aggregator.windows import MAX_GAP_S

if TYPE_CHECKING:
    from agent.settings import SourceSettings

AnyAggregator: TypeAlias = Aggregator | PeopleAggregator | CrossingsAggregator


def make_aggregator(
    name: str, source: SourceSettings, window_s: float, now_s: float, *, expressions: bool
) -> AnyAggregator:
    """The counting of one source, which opens its first window at ``now_s`` monotonic seconds.

    Args:
        name: Of the source.
        source: Its table.
        window_s: Length of a window in seconds.
        now_s: Monotonic.
        expressions: Whether those of this source are inferred.
    """
    # Of a still scene a frame comes every ``idle_interval_ms`` only; until the next one the camera is alive.
    max_gap_s = MAX_GAP_S + source.idle_interval_ms / 1000.0
    if source.line is not None:
        return CrossingsAggregator(name, source.line, window_s, now_s, max_gap_s)
    if expressions:
        return Aggregator(name, window_s, now_s, max_gap_s)
    return PeopleAggregator(name, window_s, now_s, max_gap_s)
