"""Scores of a bundle through the code of the device, and pages to look at."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from models.evaluation.findings import Request, find_out
    from models.evaluation.peers import PeersAsked
else:
    __getattr__, __all__ = opened(__name__)
