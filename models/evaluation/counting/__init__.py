"""What the agent's stages make of a walk, held against the truth.

walk ──► play: looks, windows ──► truth: who was there, whose track ──► scores; MOTChallenge files
"""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from models.evaluation.counting.clips import open_clip, read_truth
    from models.evaluation.counting.mot import MotScores, compare_trackers, write_mot
    from models.evaluation.counting.playing import Clock, Played, counting_settings, play
    from models.evaluation.counting.scores import CountScores, score_count
else:
    __getattr__, __all__ = opened(__name__)
