"""People are counted by their tracks alone, in the same windows as everything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.aggregator.crossings import CrossingsAggregator
from agent.aggregator.expressions import Aggregator
from agent.aggregator.people import PeopleAggregator
from agent.aggregator.windows import MOST_TRACKS
from tests.support.steps import step_at

PLACE = (100.0, 100.0)


def seen(*track_ids: int) -> dict[int, tuple[float, float]]:
    return dict.fromkeys(track_ids, PLACE)


def test_a_track_counts_once_in_each_window_however_often_it_is_seen() -> None:
    counting = PeopleAggregator("door", 60.0, 0.0)
    for _ in range(100):
        counting.take(step_at(seen(1, 2)))
    assert counting.close_due(60.0)[0].people == 2
    counting.take(step_at(seen(2)))
    assert counting.close_due(120.0)[0].people == 1
    assert counting.close_due(180.0)[0].people == 0


@given(st.lists(st.sets(st.integers(1, 9)), max_size=30))
def test_people_are_the_different_tracks_of_a_window(frames: list[set[int]]) -> None:
    counting = PeopleAggregator("door", 60.0, 0.0)
    for frame in frames:
        counting.take(step_at(seen(*frame)))
    assert counting.close_now(5.0).people == len(set().union(*frames))


def test_a_busy_day_in_one_window_counts_everybody_with_bounded_memory() -> None:
    counting = PeopleAggregator("door", 86_400.0, 0.0)
    for first in range(0, 20_000, 50):
        for _ in range(3):
            counting.take(step_at(seen(*range(first, first + 50))))
    assert len(counting._seen) <= MOST_TRACKS
    assert counting.close_due(86_400.0)[0].people == 20_000


@given(st.lists(st.floats(0.0, 500.0), max_size=20), st.sampled_from((0.1, 7.3, 60.0)))
def test_whatever_is_counted_windows_have_the_same_edges_numbers_and_coverage(
    pauses_s: list[float], window_s: float
) -> None:
    line = (0.0, 0.5, 1.0, 0.5)
    siblings = (
        Aggregator("door", window_s, 5.0),
        PeopleAggregator("door", window_s, 5.0),
        CrossingsAggregator("door", line, window_s, 5.0),
    )
    now_s, told = 5.0, []
    for pause_s in pauses_s:
        now_s += pause_s
        closed = [sibling.close_due(now_s) for sibling in siblings]
        told += list(zip(*closed, strict=True))
        for sibling in siblings:
            sibling.frame_seen(now_s)
            sibling.take(step_at(seen(1, 2)))
    told.append(tuple(sibling.close_now(now_s) for sibling in siblings))
    for windows in told:
        edges = {(w.source, w.sequence, w.opened_at_s, w.closed_at_s, w.coverage) for w in windows}
        assert len(edges) == 1


@pytest.mark.parametrize(("window_s", "max_gap_s"), [(0.0, 1.0), (1.0, 0.0)])
def test_lengths_that_make_no_sense_are_refused(window_s: float, max_gap_s: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        PeopleAggregator("door", window_s, 0.0, max_gap_s)
