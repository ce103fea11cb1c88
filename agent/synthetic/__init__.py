"""The drawn face, and the clips of demo and bench that are made of it."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.synthetic.crowd import Clip, Head, draw_crowd, empty_room
    from agent.synthetic.visits import write_clip
else:
    __getattr__, __all__ = opened(__name__)
