"""A chosen number of tracks of one person count in a window, whatever the person does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.aggregator import Aggregator
from agent.domain import Box, Face, Reading
from agent.privacy import InView, PrivacyPolicy
from agent.settings import PrivacySettings, TrackerSettings
from agent.tracker.by_position import PositionTracker

WINDOW_S = 60.0
PLACES = 12
"""Far enough apart that no track reaches from one to the next."""


def bound(most_tracks: int | None) -> InView:
    return InView(PrivacySettings(window_s=WINDOW_S, max_tracks_per_person=most_tracks))


def reading(track_id: int) -> Reading:
    return Reading(track_id, "neutral", 0.9)


def times_admitted(in_view: InView, times_s: list[float], window_ends_s: float = WINDOW_S) -> list[bool]:
    return [1 in in_view.admitted([1], now_s, window_ends_s) for now_s in times_s]


def test_without_a_bound_a_track_counts_from_its_first_reading() -> None:
    assert times_admitted(bound(None), [0.0, 0.1]) == [True, True]


def test_a_track_counts_once_it_was_in_view_for_its_part_of_the_window() -> None:
    """30 tracks in 60 s: two seconds each."""
    assert times_admitted(bound(30), [10.0, 11.0, 12.0, 13.0]) == [False, False, True, True]


def test_every_window_asks_for_its_own_seconds() -> None:
    in_view = bound(30)
    assert times_admitted(in_view, [57.0, 58.0, 59.0]) == [False, False, True]
    assert times_admitted(in_view, [60.5, 61.5, 62.5], 2 * WINDOW_S) == [False, False, True]


def test_seconds_of_a_window_are_not_carried_into_the_next() -> None:
    """A frame after a long gap brings what has passed since the window opened, no more."""
    in_view = bound(30)
    assert times_admitted(in_view, [40.0]) == [False]
    assert times_admitted(in_view, [61.5, 61.9], 2 * WINDOW_S) == [False, False]


def test_time_in_which_nobody_was_in_view_is_nobodys() -> None:
    in_view = bound(30)
    assert in_view.admitted([], 0.0, WINDOW_S) == frozenset()
    assert in_view.admitted([], 30.0, WINDOW_S) == frozenset()
    assert times_admitted(in_view, [30.1, 30.2]) == [False, False]


def test_people_who_stand_there_together_all_get_the_seconds() -> None:
    in_view = bound(30)
    assert in_view.admitted(range(5), 0.0, WINDOW_S) == frozenset()
    assert in_view.admitted(range(5), 2.0, WINDOW_S) == set(range(5))


def face_at(place: int) -> Face:
    left = 300.0 * place
    return Face(Box(left, 100.0, left + 40.0, 140.0), 0.9)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.one_of(st.none(), st.integers(0, PLACES - 1)), st.integers(1, 5)),
        min_size=1,
        max_size=40,
    ),
    st.integers(1, 3),
    st.sampled_from((0.0, 1_000.0, 10_000.0)),
    st.sampled_from((0.2, 1.0, 3.0)),
    st.integers(1, 40),
)
def test_one_face_adds_at_most_the_chosen_number_of_tracks_to_any_window(
    path: list[tuple[int | None, int]], confirm_hits: int, max_coast_ms: float, step_s: float, most: int
) -> None:
    """It jumps about as it likes, a place for some frames at a time, or leaves and comes back."""
    tracker = PositionTracker(
        TrackerSettings(confirm_ms=0.0, confirm_hits=confirm_hits, max_coast_ms=max_coast_ms)
    )
    in_view = bound(most)
    aggregator = Aggregator("door", WINDOW_S, 0.0)
    places = [place for place, frames in path for _ in range(frames)]
    windows = []
    for number, place in enumerate(places):
        now_s = number * step_s
        windows += aggregator.close_due(now_s)
        tracks = tracker.update([] if place is None else [face_at(place)], (4_000, 480), now_s)
        seen = [track.track_id for track in tracks if track.observed]
        aggregator.add(map(reading, in_view.admitted(seen, now_s, aggregator.next_close_s)))
    windows.append(aggregator.close_now(len(places) * step_s))
    assert max(window.people for window in windows) <= most


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 60), st.sampled_from((0.01, 0.5, 2.0, 70.0))), min_size=1, max_size=150
    ),
    st.integers(1, 40),
)
def test_the_bound_needs_nothing_but_one_track_at_a_time(path: list[tuple[int, float]], most: int) -> None:
    """Whatever a tracker makes of one face, at whatever rate pictures come."""
    in_view = bound(most)
    aggregator = Aggregator("door", WINDOW_S, 0.0)
    now_s = 0.0
    windows = []
    for track_id, step_s in path:
        now_s += step_s
        windows += aggregator.close_due(now_s)
        aggregator.add(map(reading, in_view.admitted([track_id], now_s, aggregator.next_close_s)))
    windows.append(aggregator.close_now(now_s))
    assert max(window.people for window in windows) <= most


@pytest.mark.parametrize(("most", "lost"), [(None, None), (4, 4.0 * 288.0 * 0.5)])
def test_the_loss_of_a_person_in_a_day_is_a_chosen_number(most: int | None, lost: float | None) -> None:
    table = PrivacySettings(epsilon=0.5, max_tracks_per_person=most, day_total=True)
    assert PrivacyPolicy(table).epsilon_per_person_day == lost


def test_without_noise_no_loss_is_stated() -> None:
    assert PrivacyPolicy(PrivacySettings(max_tracks_per_person=4)).epsilon_per_person_day is None
