"""Training the expression classifier."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from models.training.emotion.targets import PORTRAIT_CROP_SCALE, expected_weights, portrait_shares
    from models.training.emotion.task import train_emotion
else:
    __getattr__, __all__ = opened(__name__)
