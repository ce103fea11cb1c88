"""Training a detector that names the expression itself."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from models.training.single_stage.task import train_single_stage
else:
    __getattr__, __all__ = opened(__name__)
