"""What training pictures go through."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from models.augment.close_ups import SKIN_TINT
    from models.augment.faces import Augmentation, augment, mix
    from models.augment.mosaic import Composer, MosaicStyle
    from models.augment.warp import Composition, covered_share
else:
    __getattr__, __all__ = opened(__name__)
