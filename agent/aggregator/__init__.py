"""Stage 5: what one frame after the other showed, counted in each fixed stretch of time."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.aggregator.expressions import Aggregator
    from agent.aggregator.seam import AnyAggregator, make_aggregator
else:
    __getattr__, __all__ = opened(__name__)
