"""Readers of the data files."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from models.data.ferplus import (
        SIDE_PX,
        UNKNOWN_INDEX,
        FerPlus,
        Protocol,
        in_protocol,
        majority,
        read_ferplus,
        resized,
        soft_targets,
    )
    from models.data.portraits import Portrait, identity, read_portraits, square_crop
    from models.data.scenes import (
        FERPLUS_BOX,
        Boxes,
        LabelledPhoto,
        Pixels,
        Tags,
        read_close_ups,
        read_crowds,
        read_scenes,
        read_tight_faces,
    )
else:
    __getattr__, __all__ = opened(__name__)
