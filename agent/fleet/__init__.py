"""The other side of the broker: what many devices say, as one live view.

broker ──► Reader ──► FleetView.feed ──► Told | DeviceView and SourceView
"""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.fleet.reader import Reader, WatchFilter
    from agent.fleet.seen import SeenBirth, SeenCounts, SeenHealth, Told
    from agent.fleet.view import DeviceView, FleetView, SourceView
else:
    __getattr__, __all__ = opened(__name__)
