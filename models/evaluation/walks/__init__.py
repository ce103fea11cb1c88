"""Walks of people whom no network was taught, with exact truth about who is to be seen when.

portraits ──► cast ──► stage, scenarios ──► actors ──► walk: pictures and truth, frame by frame
"""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from models.evaluation.walks.actors import HEIGHT_PX, WIDTH_PX, Kind, Sight
    from models.evaluation.walks.cast import Purpose, make_cast
    from models.evaluation.walks.scenarios import SCENARIOS, Camera, Scenario
    from models.evaluation.walks.walk import Moment, Walk, make_walk
else:
    __getattr__, __all__ = opened(__name__)
