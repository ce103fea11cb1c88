"""``emotion-agent bench``: how fast this box is, by the agent's own code on drawn frames.

clip (N faces) ──shared memory──► worker process: copy, detect, track, classify, vote ──► figures
bundle ──► one probe per backend × precision × tier ──► figures
                                                          └──► table | JSON
"""

from __future__ import annotations

from agent.bench.runner import BenchOptions, run_bench

__all__ = ["BenchOptions", "run_bench"]
