"""One self-contained page to look at: scores, plots, and detections drawn on photos.

    networks + data ──► measure ──► plots, pictures ──► page ──► index.html

Plots need matplotlib (extra ``train``). The page shows photos that may not be passed on: it is for the
eyes of whoever has the data, and never part of a repository.
"""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from models.evaluation.report.measure import read_run
    from models.evaluation.report.write import write_report
else:
    __getattr__, __all__ = opened(__name__)
