"""Stage 6: everything between a closed window and the broker's acknowledgement.

window ──► thread ──► outbox (memory, or spool on disk) ──► delivery ──► agent.mqtt ──► broker
"""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.publisher.delivery import Delivery, Route
    from agent.publisher.outbox import Outbox
    from agent.publisher.stamping import Stamper
    from agent.publisher.thread import Publisher
    from agent.publisher.waiting import WaitingWindow
    from agent.publisher.wallclock import WallClock
else:
    __getattr__, __all__ = opened(__name__)
