"""Files played as a camera would deliver them."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.source.recordings.images import IMAGE_SUFFIXES
    from agent.source.recordings.replay import ReplayCamera
else:
    __getattr__, __all__ = opened(__name__)
