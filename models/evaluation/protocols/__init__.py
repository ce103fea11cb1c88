"""The protocols of published reports, run on a bundle through the device's own code.

    bundle ──► Subject ──► aligned | nine | five | video | count ──► scores ──► tables

Each protocol is a function from a :class:`models.evaluation.subject.Subject` to scores that know how to
print themselves. Importing this package loads nothing heavy.
"""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from models.evaluation.protocols.aligned import run_aligned
    from models.evaluation.protocols.count import run_count
    from models.evaluation.protocols.five import run_five
    from models.evaluation.protocols.nine import ClassReport, NineScores, run_nine, score_nine
    from models.evaluation.protocols.video import run_video
else:
    __getattr__, __all__ = opened(__name__)
