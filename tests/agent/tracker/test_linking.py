"""Who was lost is found again where they can have gone, and nobody else is taken for them."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.tracker.linking import REMEMBERED_S, End, Traffic, entered_at, left_at, odds, return_odds

PICTURE_PX = (640, 480)
STANDING = End(10.0, 300.0, 200.0, 60.0, 0.0, 0.0)
WALKING = End(10.0, 200.0, 200.0, 60.0, 120.0, 0.0)
LEAVING = End(10.0, 610.0, 200.0, 60.0, 120.0, 0.0)


def later(end: End, seconds: float, across_px: float = 0.0, down_px: float = 0.0) -> End:
    """The same face some time on, so far from where it was."""
    return replace(
        end, at_s=end.at_s + seconds, across_px=end.across_px + across_px, down_px=end.down_px + down_px
    )


def test_somebody_who_looked_away_is_found_where_they_stood() -> None:
    found = later(STANDING, 3.3)
    assert odds(STANDING, found, 13.0, PICTURE_PX) > 0.0


def test_somebody_who_went_behind_a_pillar_is_found_on_the_other_side() -> None:
    assert odds(WALKING, later(WALKING, 1.5, across_px=180.0), 11.2, PICTURE_PX) > 0.0


def test_somebody_who_comes_the_other_way_is_somebody_else() -> None:
    other = replace(later(WALKING, 1.5, across_px=180.0), across_px_per_s=-120.0, down_px=260.0)
    assert odds(WALKING, other, 11.2, PICTURE_PX) < 0.0


@pytest.mark.parametrize("ratio", [0.3, 0.49, 2.1, 5.0])
def test_a_face_of_quite_another_size_is_somebody_else(ratio: float) -> None:
    assert odds(STANDING, replace(later(STANDING, 1.0), size_px=60.0 * ratio), 10.7, PICTURE_PX) == -inf


def test_nobody_is_remembered_for_longer_than_is_said() -> None:
    late_s = STANDING.at_s + REMEMBERED_S + 0.1
    assert odds(STANDING, later(STANDING, REMEMBERED_S + 0.4), late_s, PICTURE_PX) == -inf


def test_a_track_that_began_before_the_other_was_lost_does_not_continue_it() -> None:
    assert odds(STANDING, later(STANDING, 0.3), 9.9, PICTURE_PX) == -inf


ends = st.builds(
    End,
    st.floats(10.3, 20.0),
    st.floats(-340.0, 940.0),
    st.floats(-280.0, 680.0),
    st.floats(1.0, 400.0),
    st.floats(-900.0, 900.0),
    st.floats(-900.0, 900.0),
)


@given(ends, st.floats(0.0, 0.3))
def test_odds_are_a_number_whatever_is_compared(found: End, ago_s: float) -> None:
    begun_s = found.at_s - ago_s
    for lost in (STANDING, WALKING, LEAVING):
        for chance in (
            odds(lost, found, begun_s, PICTURE_PX),
            return_odds(lost, found, begun_s, PICTURE_PX, Traffic()),
        ):
            assert -inf <= chance < inf


@given(st.floats(0.0, 1.1), st.floats(0.0, 1.1))
def test_the_farther_from_where_they_stood_the_less_likely(first: float, second: float) -> None:
    near, far = (later(STANDING, 1.3, down_px=40.0 * away) for away in sorted((first, second)))
    assert odds(STANDING, far, 11.0, PICTURE_PX) <= odds(STANDING, near, 11.0, PICTURE_PX) + 1e-9


def test_an_edge_is_left_and_entered_by_whoever_moves_across_it_alone() -> None:
    assert left_at(LEAVING, PICTURE_PX) == "right"
    assert left_at(replace(LEAVING, across_px_per_s=0.0), PICTURE_PX) == ""
    assert left_at(WALKING, PICTURE_PX) == ""
    coming = replace(LEAVING, across_px_per_s=-120.0, at_s=13.3, across_px=580.0)
    assert entered_at(coming, 13.0, PICTURE_PX) == "right"
    assert entered_at(STANDING, 9.7, PICTURE_PX) == ""


def test_who_comes_back_where_people_come_back_is_the_same_and_elsewhere_somebody_new() -> None:
    """The same sight in two places: one where everybody leans out for a moment, one where all pass by."""
    back = replace(LEAVING, at_s=13.3, across_px=580.0, across_px_per_s=-120.0)
    leaning, passing = Traffic(), Traffic()
    for number in range(200):
        now_s = 10.0 * number
        for traffic, returned in ((leaning, 0.9), (passing, 0.0)):
            traffic.note_left()
            traffic.note_arrival("right", returned, now_s)
    assert leaning.returning > 0.5
    assert passing.returning < 0.05
    assert return_odds(LEAVING, back, 13.0, PICTURE_PX, leaning) > 0.0
    assert return_odds(LEAVING, back, 13.0, PICTURE_PX, passing) < 0.0


@given(st.lists(st.tuples(st.booleans(), st.floats(0.0, 1.0), st.floats(0.0, 100.0)), max_size=200))
def test_what_is_learnt_of_an_edge_stays_a_share_and_a_rate(steps: list[tuple[bool, float, float]]) -> None:
    traffic, now_s = Traffic(), 0.0
    for left, returned, elapsed_s in steps:
        now_s += elapsed_s
        if left:
            traffic.note_left()
        else:
            traffic.note_arrival("left", returned, now_s)
        assert 0.0 <= traffic.returning <= 1.0
        assert 0.0 < traffic.arrivals_per_s("left", now_s) < 10.0
