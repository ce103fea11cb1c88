"""The other side of the broker: a live view of many devices, and many devices made up."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.fleet.reader import Reader, WatchFilter
    from agent.fleet.seen import SeenCounts
    from agent.fleet.view import DeviceView, FleetView, SourceView, printable
else:
    __getattr__, __all__ = opened(__name__)
