"""What is published about one track costs, all together, the configured epsilon and no more."""

from __future__ import annotations

import os
from fractions import Fraction
from math import exp, sqrt

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.privacy import noise_variance
from agent.privacy.ledger import Release, ledger_of
from agent.privacy.noise import as_written
from agent.settings import PrivacySettings

EXAMPLES = int(os.environ.get("TEST_PRIVACY_EXAMPLES", "300"))


@seed(6)
@settings(max_examples=EXAMPLES, deadline=None)
@given(st.floats(min_value=1e-9, max_value=10.0), st.booleans(), st.booleans())
def test_the_parts_add_up_to_epsilon_to_the_last_digit(epsilon: float, day: bool, sums: bool) -> None:  # noqa: FBT001
    ledger = ledger_of(PrivacySettings(epsilon=epsilon, day_total=day, publish_sums=sums))
    assert sum(entry.epsilon for entry in ledger.values()) == as_written(epsilon)
    assert all(entry.epsilon > 0 for entry in ledger.values())
    assert set(ledger) == {"counts"} | ({"day"} if day else set()) | ({"sums"} if sums else set())


def test_what_is_not_published_takes_nothing_from_the_windows() -> None:
    assert ledger_of(PrivacySettings(epsilon=1.0))["counts"].epsilon == 1


def test_without_noise_there_is_no_ledger() -> None:
    assert ledger_of(PrivacySettings(publish_sums=True)) == {}


def test_a_days_total_takes_three_tenths() -> None:
    ledger = ledger_of(PrivacySettings(epsilon=1.0, day_total=True))
    assert (ledger["counts"].epsilon, ledger["day"].epsilon) == (Fraction(7, 10), Fraction(3, 10))


def test_sums_share_with_the_counts_and_are_drawn_for_a_hundred_units() -> None:
    """A track spreads a hundred hundredths over the labels, however it does so."""
    ledger = ledger_of(PrivacySettings(epsilon=1.0, day_total=True, publish_sums=True))
    assert ledger["counts"].epsilon == ledger["sums"].epsilon == Fraction(35, 100)
    assert ledger["sums"].per_unit == Fraction(35, 10_000)


def test_a_days_total_is_refused_without_noise() -> None:
    with pytest.raises(ValidationError, match=r"day_total = true needs noise.*set epsilon"):
        PrivacySettings(day_total=True)


@pytest.mark.parametrize(("release", "deviation"), [("counts", 1.98), ("day", 4.70)])
def test_counts_have_the_stated_standard_deviation(release: Release, deviation: float) -> None:
    """Adding up a day's 288 windows would give 23.0 without a total of its own."""
    entry = ledger_of(PrivacySettings(epsilon=1.0, day_total=True))[release]
    variance = noise_variance(float(entry.epsilon), entry.sensitivity)
    assert sqrt(variance) == pytest.approx(deviation, abs=0.005)
    assert sqrt(288.0 * noise_variance(1.0)) == pytest.approx(23.0, abs=0.05)


@pytest.mark.parametrize("epsilon", [0.05, 0.3, 0.7, 1.0, 4.0])
def test_the_variance_is_that_of_the_distribution(epsilon: float) -> None:
    """Summed up value by value from its definition."""
    weights = {value: exp(-epsilon * abs(value)) for value in range(-2_000, 2_001)}
    variance = sum(value**2 * weight for value, weight in weights.items()) / sum(weights.values())
    assert noise_variance(epsilon) == pytest.approx(variance, rel=1e-9)
