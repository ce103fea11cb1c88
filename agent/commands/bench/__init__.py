"""``emotion-agent bench``: how fast this box is, by the agent's own code on drawn frames.

clip (N faces) ──shared memory──► worker process: copy, detect, track, classify, vote ──► figures
bundle ──► one probe per backend × precision × tier ──► figures
                                                          └──► table | JSON
"""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.commands.bench.command import bench
else:
    __getattr__, __all__ = opened(__name__)
