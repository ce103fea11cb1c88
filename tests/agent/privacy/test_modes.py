"""People without expressions and crossings of a line are protected as expressions are."""

# ruff: noqa: S311 - seeded draws make the outcome of a statistical test final

from __future__ import annotations

from math import exp, log, sqrt
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from agent.aggregator.crossings import CrossingsAggregator
from agent.domain import (
    Box,
    CrossingsDisclosure,
    CrossingsWindow,
    Face,
    PeopleDisclosure,
    PeopleWindow,
)
from agent.pipeline import Step
from agent.settings import TrackerSettings
from agent.tracker.by_position import PositionTracker
from tests.agent.privacy.test_privacy import EXAMPLES, policy
from tests.support.steps import PICTURE_PX

if TYPE_CHECKING:
    from agent.privacy.policy import PrivacyPolicy

numbers = st.integers(min_value=0, max_value=12)
contents = st.tuples(st.booleans(), numbers, numbers)
"""Whether a window counts a line; then in and out, else people twice, of which the first are taken."""


def people(number: int, sequence: int = 0, length_s: float = 300.0) -> PeopleWindow:
    opened_at_s = 1_000.25 + 300.0 * sequence
    return PeopleWindow("door", sequence, opened_at_s, opened_at_s + length_s, 1.0, number)


def crossings(came_in: int, went_out: int, sequence: int = 0, length_s: float = 300.0) -> CrossingsWindow:
    opened_at_s = 1_000.25 + 300.0 * sequence
    return CrossingsWindow("door", sequence, opened_at_s, opened_at_s + length_s, 1.0, came_in, went_out)


def told(judged: PrivacyPolicy, content: tuple[bool, int, int], sequence: int) -> object:
    line, first, second = content
    if line:
        return judged.disclose(crossings(first, second, sequence))
    return judged.disclose(people(first, sequence))


def size(content: tuple[bool, int, int]) -> int:
    line, first, second = content
    return first + second if line else first


def test_enough_are_published_and_too_few_are_not() -> None:
    assert policy().disclose(people(5)) == PeopleDisclosure(suppressed=False, people=5)
    assert policy().disclose(people(4)) == PeopleDisclosure(suppressed=True, people=None)
    assert policy().disclose(people(0)) == PeopleDisclosure(suppressed=True, people=None)
    assert policy().disclose(crossings(3, 2)) == CrossingsDisclosure(suppressed=False, came_in=3, went_out=2)


@pytest.mark.parametrize(("came_in", "went_out"), [(0, 0), (4, 0), (0, 4), (2, 2)])
def test_both_directions_are_withheld_together(came_in: int, went_out: int) -> None:
    """One alone, beside a total known from elsewhere, would give the other away."""
    assert policy().disclose(crossings(came_in, went_out)) == CrossingsDisclosure(
        suppressed=True, came_in=None, went_out=None
    )


def test_individual_counts_show_empty_windows_as_zero() -> None:
    assert policy(min_count=1).disclose(people(0)).people == 0
    window = policy(min_count=1).disclose(crossings(0, 1))
    assert (window.came_in, window.went_out) == (0, 1)


def test_a_restart_can_not_cut_time_into_short_windows() -> None:
    assert policy().disclose(people(50, length_s=59.0)).suppressed
    assert policy().disclose(crossings(50, 50, length_s=59.0)).suppressed


@pytest.mark.parametrize("epsilon", [None, 1.0])
def test_load_is_told_with_exact_published_numbers_only(epsilon: float | None) -> None:
    judged = policy(epsilon=epsilon)
    assert judged.may_tell_load(judged.disclose(people(90))) is (epsilon is None)
    assert judged.may_tell_load(judged.disclose(crossings(90, 90))) is (epsilon is None)
    assert not judged.may_tell_load(judged.disclose(crossings(0, 0, length_s=1.0)))


@seed(6)
@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.tuples(contents, contents), min_size=1, max_size=12), st.integers(2, 20))
def test_no_history_tells_anything_about_a_suppressed_window(
    history: list[tuple[tuple[bool, int, int], tuple[bool, int, int]]], min_count: int
) -> None:
    """Exchanging the content of suppressed windows for any other small content changes not one byte."""
    actual = [first for first, _ in history]
    imagined = [
        (first[0], *second[1:]) if max(size(first), size((first[0], *second[1:]))) < min_count else first
        for first, second in history
    ]
    one, other = policy(min_count), policy(min_count)
    seen = [told(one, content, index) for index, content in enumerate(actual)]
    alternative = [told(other, content, index) for index, content in enumerate(imagined)]
    assert repr(seen) == repr(alternative)


@seed(6)
@settings(max_examples=EXAMPLES, deadline=None)
@given(numbers, numbers, st.integers(2, 20), st.one_of(st.none(), st.just(0.5)))
def test_what_is_published_is_above_the_threshold_and_exact_without_noise(
    came_in: int, went_out: int, min_count: int, epsilon: float | None
) -> None:
    judged = policy(min_count, epsilon)
    line, alone = judged.disclose(crossings(came_in, went_out)), judged.disclose(people(came_in))
    assert line.suppressed == (line.came_in is None) == (line.went_out is None)
    assert alone.suppressed == (alone.people is None)
    if line.came_in is not None and line.went_out is not None:
        assert min(line.came_in, line.went_out) >= 0
        assert line.came_in + line.went_out >= min_count
    if alone.people is not None:
        assert alone.people >= min_count
    if epsilon is None:
        assert line.suppressed == (came_in + went_out < min_count)
        assert line.suppressed or (line.came_in, line.went_out) == (came_in, went_out)
        assert alone.suppressed or alone.people == came_in


@pytest.mark.parametrize("epsilon", [0.5, 2.0])
@pytest.mark.parametrize("line", [False, True])
def test_a_likelihood_ratio_attack_on_neighbours_stays_within_epsilon(epsilon: float, *, line: bool) -> None:
    """10,000 pairs that differ by one track, which at the line comes in and goes out: its most.

    The best attacker compares the likelihoods of the two contents; with noise that falls off by the
    distance from each number, that is by the sum of both distances.
    """
    pairs, randomness, mechanism = 10_000, Random(7), policy(1, epsilon, random_seed=8)
    right = 0
    for _ in range(pairs):
        base, joined = 30 + randomness.randrange(5), randomness.randrange(2)
        if line:
            seen = mechanism.disclose(crossings(base + joined, base + joined))
            values = [seen.came_in, seen.went_out]
        else:
            values = [mechanism.disclose(people(base + joined)).people]
        nearer = sum(abs(value - base) - abs(value - base - 1) for value in values if value is not None)
        guess = int(nearer > 0) if nearer else randomness.randrange(2)
        right += guess == joined
    promised = exp(epsilon) / (1.0 + exp(epsilon))
    assert right / pairs <= promised + 3.0 * sqrt(0.25 / pairs)
    assert right / pairs > 0.52, "an attacker who learns nothing at all means that the counts are useless"


def test_no_outcome_is_more_than_exp_epsilon_times_likelier_with_one_more_track() -> None:
    """Over both published numbers of a small window together, suppression included."""
    runs, epsilon = 8_000, 1.0
    tallies: list[dict[tuple[int | None, int | None], int]] = []
    for number in (3, 4):
        mechanism = policy(5, epsilon, random_seed=number)
        tally: dict[tuple[int | None, int | None], int] = {}
        for _ in range(runs):
            outcome = mechanism.disclose(crossings(number, number))
            key = (outcome.came_in, outcome.went_out)
            tally[key] = tally.get(key, 0) + 1
        tallies.append(tally)
    compared = 0
    for key in tallies[0].keys() & tallies[1].keys():
        first, second = tallies[0][key], tallies[1][key]
        if min(first, second) >= 150:
            compared += 1
            assert abs(log(first / second)) <= epsilon + 4.0 * sqrt(1.0 / first + 1.0 / second)
    assert compared > 3


@given(
    st.lists(st.one_of(st.none(), st.floats(0.0, 440.0)), min_size=1, max_size=120),
    st.integers(1, 3),
    st.integers(5, 40),
)
def test_one_face_adds_at_most_one_crossing_each_way_per_confirmed_track(
    path: list[float | None], confirm_hits: int, frames: int
) -> None:
    """Whatever it does: the sensitivity that the noise is made for holds behind the real tracker."""
    tracker = PositionTracker(TrackerSettings(confirm_hits=confirm_hits))
    window_s = frames * 0.2
    counting = CrossingsAggregator("door", (0.0, 0.5, 1.0, 0.5), window_s, 0.0)
    seen: set[int] = set()
    for number, top in enumerate(path):
        now_s = number * 0.2
        for window in counting.close_due(now_s):
            assert max(window.came_in, window.went_out) <= len(seen)
            seen = set()
        faces = [] if top is None else [Face(Box(300.0, top, 340.0, top + 40.0), 0.9)]
        tracks = tuple(track for track in tracker.update(faces, PICTURE_PX, now_s) if track.observed)
        seen |= {track.track_id for track in tracks}
        counting.take(Step((), 1.0, tracks, PICTURE_PX, detected=True))
    window = counting.close_now(len(path) * 0.2)
    assert max(window.came_in, window.went_out) <= len(seen)
