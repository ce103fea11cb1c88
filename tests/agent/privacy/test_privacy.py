"""Nothing about fewer than ``min_count`` people leaves, and noise protects every single track."""

# ruff: noqa: S311 - seeded draws make the outcome of a statistical test final

from __future__ import annotations

import os
import subprocess
import sys
from math import exp, log, sqrt
from random import Random

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from agent.domain import LABELS, Disclosure, EmotionWindow
from agent.privacy.policy import PrivacyPolicy, _without_negatives
from agent.settings import PrivacySettings

EXAMPLES = int(os.environ.get("TEST_PRIVACY_EXAMPLES", "300"))
"""The soak sets this to 10,000 or more."""

counts_of_a_window = st.dictionaries(st.sampled_from(LABELS), st.integers(min_value=0, max_value=12))


def window(counts: dict[str, int], length_s: float = 300.0, sequence: int = 0) -> EmotionWindow:
    opened_at_s = 1_000.25 + 300.0 * sequence
    return EmotionWindow("door", sequence, opened_at_s, opened_at_s + length_s, 1.0, counts)


def policy(min_count: int = 5, epsilon: float | None = None, random_seed: int = 1) -> PrivacyPolicy:
    table = PrivacySettings(
        min_count=min_count, epsilon=epsilon, acknowledge_individual_counts=min_count == 1
    )
    return PrivacyPolicy(table, Random(random_seed))


def test_enough_people_are_published_with_every_label() -> None:
    disclosure = policy().disclose(window({"happiness": 4, "unknown": 1}))
    assert disclosure.people == 5
    assert disclosure.counts == {**dict.fromkeys(LABELS, 0), "happiness": 4, "unknown": 1}
    assert tuple(disclosure.counts) == LABELS


@pytest.mark.parametrize("people", [0, 1, 4])
def test_too_few_people_are_suppressed_and_nobody_is_no_exception(people: int) -> None:
    disclosure = policy().disclose(window({"neutral": people} if people else {}))
    assert disclosure == Disclosure(suppressed=True, people=None, counts=None)


def test_individual_counts_show_an_empty_window_as_zero() -> None:
    disclosure = policy(min_count=1).disclose(window({}))
    assert not disclosure.suppressed
    assert disclosure.people == 0


@pytest.mark.parametrize(("length_s", "suppressed"), [(59.0, True), (60.0 - 1e-9, False), (60.0, False)])
def test_a_restart_can_not_cut_time_into_short_windows(length_s: float, *, suppressed: bool) -> None:
    assert policy().disclose(window({"neutral": 50}, length_s)).suppressed is suppressed


@pytest.mark.parametrize(("people", "epsilon", "told"), [(9, None, True), (4, None, False), (90, 1.0, False)])
def test_load_is_told_neither_of_a_suppressed_window_nor_beside_noisy_counts(
    people: int, epsilon: float | None, *, told: bool
) -> None:
    """It follows the number of faces exactly."""
    decided = policy(epsilon=epsilon)
    assert decided.may_tell_load(decided.disclose(window({"neutral": people}))) is told


def test_short_windows_are_published_where_individual_counts_are_acknowledged() -> None:
    assert not policy(min_count=1).disclose(window({"neutral": 1}, 2.0)).suppressed


@seed(6)
@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.lists(st.tuples(counts_of_a_window, counts_of_a_window), min_size=1, max_size=12),
    st.integers(min_value=2, max_value=20),
)
def test_no_history_tells_anything_about_a_suppressed_window(
    history: list[tuple[dict[str, int], dict[str, int]]], min_count: int
) -> None:
    """Exchanging the content of suppressed windows for any other small content changes not one byte."""
    actual = [first for first, _ in history]
    imagined = [
        second if sum(first.values()) < min_count and sum(second.values()) < min_count else first
        for first, second in history
    ]
    one, other = policy(min_count), policy(min_count)
    seen = [one.disclose(window(counts, sequence=index)) for index, counts in enumerate(actual)]
    alternative = [other.disclose(window(counts, sequence=index)) for index, counts in enumerate(imagined)]
    assert repr(seen) == repr(alternative)


@seed(6)
@settings(max_examples=EXAMPLES, deadline=None)
@given(counts_of_a_window, st.integers(min_value=2, max_value=20), st.one_of(st.none(), st.just(0.5)))
def test_what_is_published_is_consistent_and_above_the_threshold(
    counts: dict[str, int], min_count: int, epsilon: float | None
) -> None:
    disclosure = policy(min_count, epsilon).disclose(window(counts))
    if disclosure.suppressed:
        assert disclosure.people is None
        assert disclosure.counts is None
        return
    assert disclosure.counts is not None
    assert disclosure.people == sum(disclosure.counts.values())
    assert disclosure.people >= min_count
    assert min(disclosure.counts.values()) >= 0
    if epsilon is None:
        assert disclosure.people == sum(counts.values())


@seed(6)
@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.integers(min_value=-(10**9), max_value=10**9), min_size=9, max_size=9))
def test_taking_out_negative_counts_keeps_the_sum_and_the_order(values: list[int]) -> None:
    result = _without_negatives(dict(zip(LABELS, values, strict=True)))
    assert min(result.values()) >= 0
    assert sum(result.values()) == max(0, sum(values))
    for label, value in zip(LABELS, values, strict=True):
        assert result[label] <= max(0, value)
        # Evenness: nobody loses more than one unit more than a label that kept something.
        assert value - result[label] >= -1 or value < 0


def test_the_decision_to_suppress_looks_at_the_noisy_total_only() -> None:
    """With noise, a window right at the threshold is sometimes hidden and a small one sometimes shown."""
    judged = policy(5, epsilon=0.5)
    at_threshold = {judged.disclose(window({"neutral": 5})).suppressed for _ in range(200)}
    below = {judged.disclose(window({"neutral": 4})).suppressed for _ in range(200)}
    assert at_threshold == below == {True, False}


def test_noise_does_not_invent_people() -> None:
    """The mean of many noisy totals is the true one: cutting negatives off alone would add several."""
    noisy = policy(1, epsilon=1.0)
    totals = [noisy.disclose(window({"happiness": 60, "neutral": 40})).people or 0 for _ in range(2_000)]
    # Nine counts of variance 1.84: the mean of 2,000 totals has a standard deviation of 0.09.
    assert sum(totals) / len(totals) == pytest.approx(100.0, abs=0.4)


@pytest.mark.parametrize("epsilon", [0.5, 2.0])
def test_a_likelihood_ratio_attack_on_neighbours_stays_within_epsilon(epsilon: float) -> None:
    """10,000 pairs of windows that differ by one track; the best attacker is no better than promised.

    The attacker sees the disclosure of one of the two, chosen by a fair coin, knows both contents and
    compares the likelihoods of the count in question. For an epsilon-private mechanism no attacker is
    right more often than exp(epsilon) / (1 + exp(epsilon)).
    """
    pairs = 10_000
    randomness = Random(7)
    mechanism = policy(1, epsilon, random_seed=8)
    right = 0
    for _ in range(pairs):
        base = 30 + randomness.randrange(5)
        joined = randomness.randrange(2)
        disclosure = mechanism.disclose(window({"happiness": base + joined, "neutral": 25}))
        assert disclosure.counts is not None
        guess = int(disclosure.counts["happiness"] > base)
        right += guess == joined
    promised = exp(epsilon) / (1.0 + exp(epsilon))
    assert right / pairs <= promised + 3.0 * sqrt(0.25 / pairs)
    assert right / pairs > 0.52, "an attacker who learns nothing at all means that the counts are useless"


@pytest.mark.parametrize("epsilon", [0.5, 1.0])
def test_no_outcome_is_more_than_exp_epsilon_times_likelier_with_one_more_track(epsilon: float) -> None:
    """Empirical ratio over all published outcomes of a small window, suppression included."""
    runs = 8_000
    tallies: list[dict[int | None, int]] = []
    for people in (5, 6):
        mechanism = policy(5, epsilon, random_seed=people)
        tally: dict[int | None, int] = {}
        for _ in range(runs):
            outcome = mechanism.disclose(window({"sadness": people})).people
            tally[outcome] = tally.get(outcome, 0) + 1
        tallies.append(tally)
    for outcome in tallies[0].keys() & tallies[1].keys():
        first, second = tallies[0][outcome], tallies[1][outcome]
        if min(first, second) >= 200:
            error = 4.0 * sqrt(1.0 / first + 1.0 / second)
            assert abs(log(first / second)) <= epsilon + error


def test_the_daily_loss_counts_every_window_of_a_day() -> None:
    noisy = PrivacyPolicy(PrivacySettings(window_s=300.0, epsilon=0.1))
    assert noisy.epsilon_per_day == pytest.approx(28.8)
    assert PrivacyPolicy(PrivacySettings()).epsilon_per_day is None


@pytest.mark.slow
def test_the_policy_can_not_touch_pixels() -> None:
    """A fresh interpreter that imports everything from the aggregator on holds neither NumPy nor frames."""
    script = (
        "import sys, agent.aggregator, agent.privacy.policy, agent.privacy.noise;"
        "print([n for n in ('numpy', 'cv2', 'agent.frame') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
