"""Windows tile the time axis, and every track votes exactly once in each window in which it was read."""

from __future__ import annotations

from itertools import pairwise
from math import nextafter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.aggregator import Aggregator
from agent.domain import LABELS, Reading


def reading(track_id: int, label: str = "neutral", confidence: float = 0.8) -> Reading:
    return Reading(track_id, label, confidence)


def test_a_track_votes_once_however_often_it_is_read() -> None:
    counting = Aggregator("door", 60.0, 0.0)
    for _ in range(100):
        counting.add([reading(1, "happiness"), reading(2, "neutral")])
    (window,) = counting.close_due(60.0)
    assert window.counts == {"happiness": 1, "neutral": 1}
    assert window.people == 2


def test_the_label_read_most_often_is_the_vote() -> None:
    counting = Aggregator("door", 60.0, 0.0)
    for label in ("neutral", "happiness", "neutral", "sadness", "neutral", "happiness"):
        counting.add([reading(1, label)])
    assert counting.close_due(60.0)[0].counts == {"neutral": 1}


@pytest.mark.parametrize(("happy", "sad", "winner"), [(0.9, 0.6, "happiness"), (0.6, 0.9, "sadness")])
def test_a_tie_goes_to_the_label_with_the_higher_latest_confidence(
    happy: float, sad: float, winner: str
) -> None:
    counting = Aggregator("door", 60.0, 0.0)
    counting.add([reading(1, "happiness", 0.99)])
    counting.add([reading(1, "sadness", 0.99)])
    counting.add([reading(1, "happiness", happy)])
    counting.add([reading(1, "sadness", sad)])
    assert counting.close_due(60.0)[0].counts == {winner: 1}


def test_a_track_that_stays_votes_again_in_the_next_window() -> None:
    counting = Aggregator("door", 60.0, 0.0)
    counting.add([reading(1, "happiness")])
    counting.close_due(60.0)
    counting.add([reading(1, "surprise")])
    assert counting.close_due(120.0)[0].counts == {"surprise": 1}


def test_windows_close_on_time_although_the_camera_is_silent() -> None:
    counting = Aggregator("door", 60.0, 5.0)
    assert counting.next_close_s == 65.0
    assert counting.close_due(64.999) == []
    closed = counting.close_due(185.5)
    assert [(w.sequence, w.opened_at_s, w.closed_at_s, w.coverage, w.people) for w in closed] == [
        (0, 5.0, 65.0, 0.0, 0),
        (1, 65.0, 125.0, 0.0, 0),
        (2, 125.0, 185.0, 0.0, 0),
    ]
    assert counting.next_close_s == 245.0


@pytest.mark.parametrize("window_s", [0.1, 60.0, 299.7])
@pytest.mark.parametrize("start_s", [0.0, 0.3, 98_765.4321])
def test_every_window_closes_at_its_edge_and_not_a_moment_before(window_s: float, start_s: float) -> None:
    """Rounding neither closes a window early nor lets its edge wander over months of windows."""
    counting = Aggregator("door", window_s, start_s)
    for _ in range(3_000):
        edge_s = counting.next_close_s
        assert counting.close_due(nextafter(edge_s, 0.0)) == []
        assert len(counting.close_due(edge_s)) == 1
    assert counting.next_close_s == start_s + 3_001 * window_s


def test_a_process_stopped_for_hours_reports_one_long_gap() -> None:
    counting = Aggregator("door", 60.0, 0.0)
    counting.add([reading(1)])
    closed = counting.close_due(6 * 3_600.0 + 30.0)
    assert [(w.sequence, w.opened_at_s, w.closed_at_s, w.people) for w in closed] == [
        (0, 0.0, 60.0, 1),
        (1, 60.0, 6 * 3_600.0 - 60.0, 0),
        (2, 6 * 3_600.0 - 60.0, 6 * 3_600.0, 0),
    ]
    assert [w.sequence for w in counting.close_due(6 * 3_600.0 + 60.0)] == [3]


def test_coverage_is_the_share_in_which_the_camera_delivered() -> None:
    counting = Aggregator("door", 100.0, 0.0, max_gap_s=2.0)
    for tick in range(51):
        counting.frame_seen(tick * 0.5)
    # Frames from 0 to 25 s, and the last one vouches for two seconds more.
    assert counting.close_due(100.0)[0].coverage == pytest.approx(0.27)


def test_each_lonely_frame_vouches_for_the_longest_gap_only() -> None:
    counting = Aggregator("door", 100.0, 0.0, max_gap_s=2.0)
    for tick in range(10):
        counting.frame_seen(tick * 10.0)
    assert counting.close_due(100.0)[0].coverage == pytest.approx(0.2)


def test_a_camera_that_delivers_across_the_edge_covers_both_windows() -> None:
    counting = Aggregator("door", 10.0, 0.0, max_gap_s=2.0)
    for tick in range(100):
        counting.frame_seen(tick * 0.1)
    assert counting.close_due(10.0)[0].coverage == pytest.approx(1.0)
    for tick in range(100, 200):
        counting.frame_seen(tick * 0.1)
    assert counting.close_due(20.0)[0].coverage == pytest.approx(1.0)


def test_a_frame_of_the_closed_window_that_arrives_late_changes_nothing() -> None:
    counting = Aggregator("door", 10.0, 0.0, max_gap_s=2.0)
    counting.close_due(10.0)
    counting.frame_seen(7.0)
    assert counting.close_due(20.0)[0].coverage == 0.0


def test_shutdown_closes_the_window_at_hand_before_its_time() -> None:
    counting = Aggregator("door", 300.0, 0.0)
    counting.frame_seen(0.0)
    counting.add([reading(1, "fear")])
    window = counting.close_now(4.0)
    assert (window.closed_at_s, window.coverage, window.counts) == (4.0, 0.5, {"fear": 1})


def test_closing_an_empty_stretch_of_no_length_is_harmless() -> None:
    window = Aggregator("door", 300.0, 10.0).close_now(10.0)
    assert (window.opened_at_s, window.closed_at_s, window.coverage) == (10.0, 10.0, 0.0)


def test_a_busy_day_in_one_window_counts_everybody_with_bounded_memory() -> None:
    """20,000 people pass, 50 at a time; only the latest thousand or so are still held as single votes."""
    counting = Aggregator("door", 86_400.0, 0.0)
    for first in range(0, 20_000, 50):
        for label in ("neutral", "happiness", "happiness"):
            counting.add([reading(track, label) for track in range(first, first + 50)])
    assert len(counting._votes) <= 1_024
    assert counting.close_due(86_400.0)[0].counts == {"happiness": 20_000}


@pytest.mark.parametrize(("window_s", "max_gap_s"), [(0.0, 1.0), (-1.0, 1.0), (1.0, 0.0)])
def test_lengths_that_make_no_sense_are_refused(window_s: float, max_gap_s: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Aggregator("door", window_s, 0.0, max_gap_s)


events = st.lists(
    st.tuples(
        st.one_of(
            st.floats(min_value=0.0, max_value=40.0),
            st.floats(min_value=0.0, max_value=1_000_000.0),
        ),
        st.lists(st.tuples(st.integers(0, 12), st.sampled_from(LABELS), st.floats(0.0, 1.0)), max_size=6),
    ),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(
    events=events,
    window_s=st.one_of(st.sampled_from([1.0, 7.3, 60.0, 0.1]), st.floats(min_value=1.0, max_value=300.0)),
    start_s=st.floats(min_value=0.0, max_value=1e7),
)
def test_windows_tile_time_and_hold_each_track_once(
    events: list[tuple[float, list[tuple[int, str, float]]]], window_s: float, start_s: float
) -> None:
    """Whatever arrives when: no gap, no overlap, no lost or doubled vote, coverage within [0, 1]."""
    counting = Aggregator("door", window_s, start_s)
    now_s = start_s
    seen: set[int] = set()
    windows = []
    voters = []
    for elapsed_s, raw in events:
        now_s += elapsed_s
        closed = counting.close_due(now_s)
        assert len(closed) <= 15
        for position, window in enumerate(closed):
            windows.append(window)
            voters.append(seen if position == 0 else set())
        if closed:
            seen = set()
        assert counting.next_close_s > now_s
        counting.frame_seen(now_s)
        counting.add([Reading(track, label, confidence) for track, label, confidence in raw])
        seen = seen | {track for track, _, _ in raw}
    windows.append(counting.close_now(now_s))
    voters.append(seen)
    assert windows[0].opened_at_s == start_s
    assert windows[-1].closed_at_s == now_s
    assert [window.sequence for window in windows] == list(range(len(windows)))
    for earlier, later in pairwise(windows):
        assert earlier.closed_at_s == later.opened_at_s
        assert earlier.closed_at_s > earlier.opened_at_s
    for window, tracks in zip(windows, voters, strict=True):
        assert window.people == len(tracks)
        assert set(window.counts) <= set(LABELS)
        assert 0.0 <= window.coverage <= 1.0
