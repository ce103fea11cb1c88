"""No INT8 file passes that lost more than the gate allows."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import ModelError
from quantize.gate import EMOTION_POINTS, FACE_POINTS, Verdict


def verdict(fp32: float, int8: float, allowed: float = 0.5) -> Verdict:
    return Verdict("net int8", {"accuracy8": fp32}, {"accuracy8": int8}, allowed)


@pytest.mark.parametrize(
    ("fp32", "int8", "passes"),
    [
        (0.85, 0.85, True),
        (0.85, 0.86, True),
        (0.85, 0.8455, True),
        (0.85, 0.8440, False),
        (0.85, math.nan, False),
        (math.nan, 0.85, False),
    ],
)
def test_gate_is_the_allowed_loss(fp32: float, int8: float, *, passes: bool) -> None:
    assert verdict(fp32, int8).passes is passes


def test_one_bad_score_among_good_ones_fails() -> None:
    both = Verdict("net", {"a": 0.7, "b": 0.6}, {"a": 0.75, "b": 0.58}, 1.0)
    with pytest.raises(ModelError, match=r"b 2\.00"):
        both.enforce()


def test_refusal_is_one_sentence_with_the_loss_and_a_remedy() -> None:
    with pytest.raises(ModelError) as refusal:
        verdict(0.85, 0.80).enforce()
    assert "accuracy8 5.00" in str(refusal.value)
    assert "net int8" in str(refusal.value)
    assert refusal.value.exit_code == 3


def test_stated_gates_are_those_of_the_design() -> None:
    assert (EMOTION_POINTS, FACE_POINTS) == (0.5, 1.0)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.1, 5))
def test_better_int8_always_passes(fp32: float, gain: float, allowed: float) -> None:
    assert verdict(fp32, min(1.0, fp32 + gain), allowed).passes
