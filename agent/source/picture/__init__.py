"""Cheap looks at a frame before anybody detects a face in it: zones, quality, motion."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.source.picture.motion_gate import MotionGate
    from agent.source.picture.quality import PictureWatch
    from agent.source.picture.zones import ExclusionMask
else:
    __getattr__, __all__ = opened(__name__)
