"""One loop for every network; a folder per task."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from models.training.log import LOG
else:
    __getattr__, __all__ = opened(__name__)
