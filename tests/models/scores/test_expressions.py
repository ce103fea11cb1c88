"""Scores of the expression classifier on cases small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.data.ferplus import UNKNOWN_INDEX, VOTE_NAMES
from models.scores.expressions import confusion, decide, f1_per_class, probabilities, score_emotions


def _votes(*labels: str) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    votes = np.zeros((len(labels), len(VOTE_NAMES)), np.uint8)
    for row, label in enumerate(labels):
        votes[row, VOTE_NAMES.index(label)] = 10
    return votes


def _logits(*labels: str, height: float = 5.0) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    logits = np.zeros((len(labels), 9), np.float32)
    for row, label in enumerate(labels):
        logits[row, VOTE_NAMES.index(label)] = height
    return logits


def test_rows_of_the_confusion_are_the_truth() -> None:
    counts = confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 3)
    assert counts.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]


def test_f1_of_a_case_counted_by_hand() -> None:
    counts = np.array([[2, 1, 0], [1, 3, 0], [0, 0, 0]])
    assert f1_per_class(counts) == pytest.approx([4 / 6, 6 / 8, 0.0])


def test_perfect_logits_score_one_in_every_protocol() -> None:
    everything = VOTE_NAMES[:9]
    scores = score_emotions(_logits(*everything), _votes(*everything))
    assert (scores.accuracy8, scores.accuracy9) == (1.0, 1.0)
    assert (scores.weighted_f1_9, scores.macro_f1_9) == (1.0, 1.0)


def test_an_unknown_guess_costs_nine_class_accuracy_only() -> None:
    """With eight classes the best expression counts, whatever the ninth logit says."""
    logits = _logits("happiness", height=2.0) + _logits("unknown", height=3.0)
    scores = score_emotions(logits, _votes("happiness"))
    assert scores.accuracy8 == 1.0
    assert scores.accuracy9 == 0.0


def test_images_that_are_no_face_change_nothing() -> None:
    logits, votes = _logits("fear", "anger"), _votes("fear", "sadness")
    with_more = score_emotions(np.vstack((logits, _logits("fear"))), np.vstack((votes, _votes("not_a_face"))))
    assert with_more == score_emotions(logits, votes)


def test_weighted_f1_weighs_by_true_counts_and_macro_does_not() -> None:
    votes = _votes("neutral", "neutral", "neutral", "fear")
    scores = score_emotions(_logits("neutral", "neutral", "neutral", "neutral"), votes)
    neutral_f1 = 6 / 7
    assert scores.weighted_f1_9 == pytest.approx(0.75 * neutral_f1)
    assert scores.macro_f1_9 == pytest.approx(neutral_f1 / 9)


def test_below_the_threshold_the_decision_is_unknown() -> None:
    logits = _logits("anger", height=1.0)
    sure = float(probabilities(logits).max())
    assert decide(logits, unknown_below=sure - 0.01).tolist() == [VOTE_NAMES.index("anger")]
    assert decide(logits, unknown_below=sure + 0.01).tolist() == [UNKNOWN_INDEX]


logits_strategy = hnp.arrays(np.float32, (4, 9), elements=st.floats(-30, 30, width=32))


@settings(max_examples=60, deadline=None)
@given(logits_strategy, st.floats(0.2, 5.0))
def test_probabilities_sum_to_one_and_temperature_keeps_their_order(
    logits: np.ndarray[tuple[int, int], np.dtype[np.float32]],
    temperature: float,
) -> None:
    share = probabilities(logits, temperature)
    assert np.allclose(share.sum(axis=1), 1.0)
    best = np.take_along_axis(share, logits.argmax(axis=1)[:, None], axis=1)[:, 0]
    assert np.allclose(best, share.max(axis=1))
