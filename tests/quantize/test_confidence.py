"""Calibrated confidence means what it says, and a floor is set only where it pays."""

from __future__ import annotations

import numpy as np
import pytest

from models.scores.expressions import score_emotions
from quantize.confidence import fit_temperature, fit_unknown_below


def faces(count: int, certainty: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits and votes of faces whose tagger agreement equals the softmax of the logits."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0.0, certainty, (count, 9)).astype(np.float32)
    share = np.exp(logits - logits.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    votes = np.zeros((count, 10), np.uint8)
    votes[:, :9] = np.round(share * 100)
    return logits, votes


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_temperature_undoes_a_known_overconfidence(factor: float) -> None:
    logits, votes = faces(2_000, certainty=1.5)
    assert fit_temperature(logits * np.float32(factor), votes) == pytest.approx(factor, rel=0.06)


def test_floor_stays_at_zero_where_it_gains_nothing() -> None:
    logits, votes = faces(500, certainty=6.0)
    assert fit_unknown_below(logits, votes, temperature=1.0) == 0.0


def test_floor_turns_unsure_answers_into_unknown_where_that_is_right() -> None:
    generator = np.random.default_rng(1)
    truth = generator.integers(0, 9, 2_000)
    logits = generator.normal(0.0, 0.3, (2_000, 9)).astype(np.float32)
    known = truth < 8
    logits[np.flatnonzero(known), truth[known]] += 4.0
    logits[:, 8] -= 2.0
    votes = np.zeros((2_000, 10), np.uint8)
    votes[np.arange(2_000), truth] = 10
    floor = fit_unknown_below(logits, votes, temperature=1.0)
    without = score_emotions(logits, votes)
    with_floor = score_emotions(logits, votes, unknown_below=floor)
    assert floor > 0.1
    assert with_floor.macro_f1_9 > without.macro_f1_9 + 0.1
