"""The noise sampler draws exactly the discrete Laplace distribution, from uniform integers alone."""

# ruff: noqa: S311 - seeded draws make the outcome of a statistical test final

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import exp
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.privacy.noise import as_written, discrete_laplace

_DRAWS = 10_000


def _probability(value: int, epsilon: float) -> float:
    ratio = exp(-epsilon)
    return (1.0 - ratio) / (1.0 + ratio) * ratio ** abs(value)


@pytest.mark.parametrize(
    "epsilon", [Fraction(1, 4), Fraction(1, 2), Fraction(1), Fraction(7, 3), Fraction(4)]
)
def test_draws_follow_the_stated_distribution(epsilon: Fraction) -> None:
    """Chi-squared over the values expected at least ten times; the seed makes the outcome final."""
    source = Random(20)
    seen = Counter(discrete_laplace(epsilon, source) for _ in range(_DRAWS))
    values = [value for value in range(-60, 61) if _DRAWS * _probability(value, float(epsilon)) >= 10.0]
    expected = {value: _DRAWS * _probability(value, float(epsilon)) for value in values}
    rest_expected = _DRAWS - sum(expected.values())
    rest_seen = _DRAWS - sum(seen[value] for value in values)
    chi_squared = sum((seen[value] - expected[value]) ** 2 / expected[value] for value in values)
    chi_squared += (rest_seen - rest_expected) ** 2 / max(rest_expected, 1.0)
    # Mean n and standard deviation sqrt(2n) of a chi-squared variable with n degrees of freedom.
    freedom = len(values)
    assert chi_squared < freedom + 4.0 * (2.0 * freedom) ** 0.5


def test_zero_is_drawn_no_more_often_than_stated() -> None:
    """A sampler that gives zero both signs draws it twice too often; this one does not."""
    source = Random(21)
    share = sum(discrete_laplace(Fraction(1), source) == 0 for _ in range(_DRAWS)) / _DRAWS
    assert share == pytest.approx(_probability(0, 1.0), abs=0.015)


def test_noise_is_centred_on_zero() -> None:
    source = Random(22)
    mean = sum(discrete_laplace(Fraction(1), source) for _ in range(_DRAWS)) / _DRAWS
    assert mean == pytest.approx(0.0, abs=0.05)


def test_epsilon_is_taken_as_written_in_the_configuration() -> None:
    assert as_written(0.1) == Fraction(1, 10)
    assert as_written(1e-7) == Fraction(1, 10_000_000)


@pytest.mark.parametrize("epsilon", [Fraction(0), Fraction(-1)])
def test_an_epsilon_that_protects_nothing_is_refused(epsilon: Fraction) -> None:
    with pytest.raises(ValueError, match="epsilon"):
        discrete_laplace(epsilon, Random(1))


@settings(max_examples=200, deadline=None)
@given(
    st.floats(min_value=1e-9, max_value=10.0, allow_nan=False, exclude_min=False),
    st.integers(min_value=0, max_value=2**32),
)
def test_every_permitted_epsilon_gives_an_integer(epsilon: float, seed: int) -> None:
    assert isinstance(discrete_laplace(as_written(epsilon), Random(seed)), int)
