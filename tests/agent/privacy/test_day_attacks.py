"""What the best attacker learns from all that is published of a day stays within what the ledger states."""

# ruff: noqa: S311 - seeded draws make the outcome of a statistical test final

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from random import Random

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from agent.domain import EMOTIONS, LABELS, DayTotal, Disclosure, EmotionWindow
from agent.privacy import DayKeeper
from agent.privacy.policy import PrivacyPolicy
from agent.settings import PrivacySettings

EXAMPLES = int(os.environ.get("TEST_PRIVACY_EXAMPLES", "300"))
"""The soak sets this to 10,000 or more."""
DAYS = max(EXAMPLES, 3_000)
CROWD = 40
"""Of each label, so that no noise takes a count below 0 and the attacker sees it whole."""

counts_of_a_window = st.dictionaries(st.sampled_from(LABELS), st.integers(min_value=0, max_value=12))


def policy(
    epsilon: float, min_count: int = 1, random_seed: int = 8, *, publish_sums: bool = False
) -> PrivacyPolicy:
    table = PrivacySettings(
        min_count=min_count,
        epsilon=epsilon,
        day_total=True,
        publish_sums=publish_sums,
        acknowledge_individual_counts=min_count == 1,
    )
    return PrivacyPolicy(table, Random(random_seed))


@dataclass(frozen=True)
class Published:
    """All that leaves the device about one day of one source."""

    windows: tuple[Disclosure, ...]
    total: Disclosure


def publish(mechanism: PrivacyPolicy, history: Sequence[dict[str, int]]) -> Published:
    """A day of so many windows, as the daemon publishes it."""
    keeper = DayKeeper(300.0, lambda: None)
    windows = [
        EmotionWindow("door", index, 300.0 * index, 300.0 * (index + 1), 1.0, counts)
        for index, counts in enumerate(history)
    ]
    assert all(keeper.add(window) is None for window in windows)
    total = keeper.close()
    assert total is not None
    return Published(tuple(mechanism.disclose(window) for window in windows), mechanism.disclose_day(total))


def happy(disclosure: Disclosure) -> int:
    assert disclosure.counts is not None
    return disclosure.counts["happiness"]


def evidence(epsilon: float, seen: int, without: int, joined: int) -> float:
    """Log of how much likelier it makes ``joined`` tracks more, by the noise's distribution."""
    return epsilon * (abs(seen - without) - abs(seen - without - joined))


def attacked_days(epsilon: float, windows: int, present: int) -> list[tuple[float, bool]]:
    """The attacker's evidence for a track in ``present`` of a day's ``windows``, and whether it was there."""
    randomness = Random(7)
    mechanism = policy(epsilon)
    by_window = float(mechanism.ledger["counts"].epsilon)
    by_day = float(mechanism.ledger["day"].epsilon)
    crowd = dict.fromkeys(LABELS, CROWD)
    verdicts = []
    for _ in range(DAYS):
        joined = randomness.randrange(2)
        more = crowd | {"happiness": CROWD + joined}
        seen = publish(mechanism, [more] * present + [crowd] * (windows - present))
        found = evidence(by_day, happy(seen.total), CROWD * windows, present)
        found += sum(evidence(by_window, happy(told), CROWD, 1) for told in seen.windows[:present])
        verdicts.append((found, bool(joined)))
    return verdicts


@pytest.mark.slow
@pytest.mark.parametrize(("epsilon", "present"), [(1.0, 1), (0.5, 2), (0.5, 3)])
def test_a_likelihood_ratio_attack_on_neighbouring_days_stays_within_the_stated_loss(
    epsilon: float, present: int
) -> None:
    """The attacker knows all but the one track, sees every window and the total, and weighs them at best.

    For a loss of so much nobody is right more often than exp(loss) / (1 + exp(loss)), and no day that is
    published is more than exp(loss) times likelier with the track than without. The most telling days reach
    that ratio, which shows that the attack finds whatever there is to find: a total whose noise the ledger
    forgot would show in it.
    """
    verdicts = attacked_days(epsilon, windows=3, present=present)
    loss = present * epsilon
    right = sum((found > 0.0) == joined for found, joined in verdicts)
    promised = exp(loss) / (1.0 + exp(loss))
    assert right / DAYS <= promised + 3.0 * sqrt(0.25 / DAYS)
    assert right / DAYS > 0.52, "an attacker who learns nothing at all means that the counts are useless"
    assert max(abs(found) for found, _ in verdicts) <= loss + 1e-9
    telling = [joined for found, joined in verdicts if found > loss - 1e-9]
    there = sum(telling)
    error = 4.0 * sqrt(1.0 / there + 1.0 / (len(telling) - there))
    assert log(there / (len(telling) - there)) == pytest.approx(loss, abs=error)
    assert error < 0.8


@pytest.mark.slow
@pytest.mark.parametrize("people", [2, 4])
def test_subtracting_the_published_windows_from_the_total_tells_of_a_withheld_one_within_epsilon(
    people: int,
) -> None:
    """What is left is the withheld window, with all the noise: the best guess from it keeps the promise."""
    epsilon = 1.0
    randomness = Random(9)
    mechanism = policy(epsilon, min_count=20)
    right = withheld = 0
    for _ in range(DAYS):
        joined = randomness.randrange(2)
        crowd = dict.fromkeys(LABELS, CROWD)
        seen = publish(mechanism, [crowd, {"happiness": people + joined}, crowd])
        shown, hidden, shown_too = seen.windows
        withheld += hidden.suppressed
        left = happy(seen.total) - happy(shown) - happy(shown_too)
        right += (left > people) == bool(joined)
    assert withheld > 0.9 * DAYS
    assert right / DAYS <= exp(epsilon) / (1.0 + exp(epsilon)) + 3.0 * sqrt(0.25 / DAYS)
    assert right / DAYS < 0.6, "subtraction adds the windows' noise, so it is far from the bound"


@seed(6)
@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.lists(counts_of_a_window, min_size=1, max_size=6),
    st.integers(min_value=2, max_value=40),
    st.sampled_from((0.3, 1.0, 5.0)),
    st.integers(0, 2**32),
)
def test_what_is_told_of_a_day_is_consistent_and_above_the_threshold_or_nothing(
    history: list[dict[str, int]], min_count: int, epsilon: float, random_seed: int
) -> None:
    total = publish(policy(epsilon, min_count, random_seed), history).total
    if total.suppressed:
        assert total == Disclosure(suppressed=True, people=None, counts=None)
        return
    assert total.counts is not None
    assert tuple(total.counts) == LABELS
    assert total.people == sum(total.counts.values()) >= min_count
    assert min(total.counts.values()) >= 0


@seed(6)
@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(counts_of_a_window, min_size=1, max_size=6), st.integers(0, 2**32))
def test_windows_that_were_told_are_the_same_whatever_the_days_total_does(
    history: list[dict[str, int]], random_seed: int
) -> None:
    """They are told first, and nothing goes back from the total to them."""
    mechanism = policy(1.0, 5, random_seed)
    windows = [EmotionWindow("door", n, 300.0 * n, 300.0 * n + 300.0, 1.0, c) for n, c in enumerate(history)]
    alone = [mechanism.disclose(window) for window in windows]
    assert publish(policy(1.0, 5, random_seed), history).windows == tuple(alone)


@pytest.mark.parametrize("length_s", [1.0, 59.0])
def test_a_stop_can_not_cut_a_day_into_short_parts(length_s: float) -> None:
    counts = dict.fromkeys(LABELS, CROWD)
    part = DayTotal("door", 0, 0, 1, 10.0, 10.0 + length_s, 1.0, counts)
    assert policy(1.0, 5).disclose_day(part).suppressed
    assert not policy(1.0, 1).disclose_day(part).suppressed


@pytest.mark.parametrize("table", [PrivacySettings(), PrivacySettings(epsilon=1.0)])
def test_a_day_is_never_told_without_noise_nor_unasked(table: PrivacySettings) -> None:
    total = DayTotal("door", 0, 0, 288, 0.0, 86_400.0, 1.0, dict.fromkeys(LABELS, CROWD))
    with pytest.raises(ValueError, match="noise"):
        PrivacyPolicy(table).disclose_day(total)


SUMS = dict.fromkeys(EMOTIONS, 0) | {"happiness": 460, "sadness": 40}


@pytest.mark.parametrize("epsilon", [None, 1.0])
def test_sums_go_and_stay_with_their_window(epsilon: float | None) -> None:
    table = PrivacySettings(epsilon=epsilon, publish_sums=True)
    told = PrivacyPolicy(table, Random(1)).disclose_sums(
        SUMS, Disclosure(suppressed=False, people=5, counts={})
    )
    assert told is not None
    assert tuple(told) == EMOTIONS
    assert (told == SUMS) is (epsilon is None)
    suppressed = Disclosure(suppressed=True, people=None, counts=None)
    assert PrivacyPolicy(table).disclose_sums(SUMS, suppressed) is None


def test_sums_are_not_told_unasked() -> None:
    told = Disclosure(suppressed=False, people=5, counts={})
    assert PrivacyPolicy(PrivacySettings()).disclose_sums(SUMS, told) is None


def test_an_expression_that_nobody_showed_is_told_like_any_other() -> None:
    """Which ones are missing would tell."""
    table = PrivacySettings(epsilon=1.0, publish_sums=True)
    told = PrivacyPolicy(table, Random(1)).disclose_sums(
        {"happiness": 500}, Disclosure(suppressed=False, people=5, counts={})
    )
    assert told is not None
    assert tuple(told) == EMOTIONS


@pytest.mark.slow
def test_a_likelihood_ratio_attack_on_counts_and_sums_stays_within_epsilon() -> None:
    """A track that looks between two expressions moves both sums; with its count that is all there is."""
    epsilon = 1.0
    randomness = Random(7)
    mechanism = policy(epsilon, publish_sums=True)
    by_count = float(mechanism.ledger["counts"].epsilon)
    by_unit = float(mechanism.ledger["sums"].per_unit)
    crowd, sums = dict.fromkeys(LABELS, CROWD), dict.fromkeys(EMOTIONS, 100 * CROWD)
    verdicts = []
    for _ in range(DAYS):
        joined = randomness.randrange(2)
        counts = crowd | {"happiness": CROWD + joined}
        window = EmotionWindow("door", 0, 0.0, 300.0, 1.0, counts)
        told = mechanism.disclose(window)
        found = evidence(by_count, happy(told), CROWD, 1)
        moved = {"happiness": 70, "neutral": 30}
        more = sums | {label: sums[label] + part * joined for label, part in moved.items()}
        seen = mechanism.disclose_sums(more, told)
        assert seen is not None
        found += sum(evidence(by_unit, seen[label], sums[label], part) for label, part in moved.items())
        verdicts.append((found, joined))
    loss = float(mechanism.ledger["counts"].epsilon + mechanism.ledger["sums"].epsilon)
    right = sum((found > 0.0) == bool(joined) for found, joined in verdicts)
    assert max(abs(found) for found, _ in verdicts) <= loss + 1e-9
    assert 0.52 < right / DAYS <= exp(loss) / (1.0 + exp(loss)) + 3.0 * sqrt(0.25 / DAYS)
    telling = [joined for found, joined in verdicts if found > 0.9 * loss]
    there = sum(telling)
    error = 4.0 * sqrt(1.0 / there + 1.0 / (len(telling) - there))
    assert 0.0 < log(there / (len(telling) - there)) <= loss + error
