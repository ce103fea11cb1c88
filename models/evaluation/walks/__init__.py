"""Walks of people whom no network was taught, with exact truth about who is to be seen when.

portraits ──► cast ──► stage, scenarios ──► actors ──► walk: pictures and truth, frame by frame
"""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from models.evaluation.walks.actors import Kind, Sight
    from models.evaluation.walks.cast import Purpose, make_cast
    from models.evaluation.walks.scenarios import SCENARIOS, Camera
    from models.evaluation.walks.walk import Moment, make_walk
else:
    __getattr__, __all__ = opened(__name__)
