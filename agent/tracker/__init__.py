"""What the tracker stage is made of: how a face moves, and which detection continues which track."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.tracker.linking import REMEMBERED_S
    from agent.tracker.seam import Tracker, make_tracker
else:
    __getattr__, __all__ = opened(__name__)
