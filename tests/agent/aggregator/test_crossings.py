"""Whoever crosses the line counts once for each time, and whoever does not cross it never does."""

from __future__ import annotations

from math import ceil
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.aggregator.crossings import HYSTERESIS, CrossingsAggregator
from agent.aggregator.windows import MOST_TRACKS
from agent.domain import Box, Face
from agent.pipeline import Step
from agent.settings import TrackerSettings
from agent.tracker.by_position import PositionTracker
from tests.support.steps import FACE_PX, PICTURE_PX, step_at

ACROSS = (0.0, 0.5, 1.0, 0.5)
"""From the left edge to the right one: whoever comes down comes in."""
Y_PX = 240.0
CLEAR_PX = HYSTERESIS * FACE_PX
OUTSIDE, INSIDE = Y_PX - 3.0 * CLEAR_PX, Y_PX + 3.0 * CLEAR_PX

heights = st.floats(min_value=0.0, max_value=480.0)
walks = st.lists(heights, min_size=1, max_size=40)
places = st.lists(st.tuples(st.floats(0.0, 640.0), heights), min_size=1, max_size=40)


def counted(*ys: float, line: tuple[float, float, float, float] = ACROSS) -> tuple[int, int]:
    """In and out of one track that is at these heights, one after the other."""
    counting = CrossingsAggregator("door", line, 60.0, 0.0)
    for y in ys:
        counting.take(step_at({1: (320.0, y)}))
    window = counting.close_now(9.0)
    return window.came_in, window.went_out


def test_in_and_out_are_told_apart_and_each_counts_once() -> None:
    assert counted(OUTSIDE, INSIDE, INSIDE + 9.0) == (1, 0)
    assert counted(INSIDE, OUTSIDE) == (0, 1)
    assert counted(OUTSIDE, INSIDE, OUTSIDE) == (1, 1)


@pytest.mark.parametrize(
    ("line", "goes"),
    [
        ((0.0, 0.5, 1.0, 0.5), (0.0, 100.0)),
        ((1.0, 0.5, 0.0, 0.5), (0.0, -100.0)),
        ((0.5, 0.0, 0.5, 1.0), (-100.0, 0.0)),
        ((0.5, 1.0, 0.5, 0.0), (100.0, 0.0)),
        ((0.0, 0.0, 1.0, 1.0), (-100.0, 100.0)),
    ],
)
def test_from_the_first_end_to_the_second_whoever_goes_to_the_right_comes_in(
    line: tuple[float, float, float, float], goes: tuple[float, float]
) -> None:
    counting = CrossingsAggregator("door", line, 60.0, 0.0)
    for share in (-1.0, -0.5, 0.5, 1.0):
        counting.take(step_at({1: (320.0 + share * goes[0], 240.0 + share * goes[1])}))
    window = counting.close_now(9.0)
    assert (window.came_in, window.went_out) == (1, 0)


@given(st.lists(st.floats(-0.99, 0.99), max_size=40), st.booleans())
def test_who_dithers_on_the_line_counts_once_on_the_way_over(sway: list[float], comes_in: bool) -> None:  # noqa: FBT001
    first, last = (OUTSIDE, INSIDE) if comes_in else (INSIDE, OUTSIDE)
    expected = (1, 0) if comes_in else (0, 1)
    assert counted(first, *(Y_PX + share * CLEAR_PX for share in sway), last) == expected


@given(st.lists(st.floats(-0.99, 0.99), min_size=1, max_size=40), st.sampled_from((OUTSIDE, INSIDE)))
def test_who_dithers_on_the_line_and_turns_back_never_counts(sway: list[float], side: float) -> None:
    assert counted(side, *(Y_PX + share * CLEAR_PX for share in sway), side) == (0, 0)
    assert counted(*(Y_PX + share * CLEAR_PX for share in sway)) == (0, 0)


@given(places, st.tuples(*[st.floats(0.0, 1.0)] * 4), st.sets(st.integers(1, 39)))
def test_of_any_walk_in_and_out_differ_by_one_at_most(
    path: list[tuple[float, float]], line: tuple[float, float, float, float], edges: set[int]
) -> None:
    """Over any number of windows; and no window has it twice in one direction."""
    if abs(line[0] - line[2]) + abs(line[1] - line[3]) < 0.01:
        return
    counting = CrossingsAggregator("door", line, 1.0, 0.0)
    windows = []
    for number, place in enumerate(path):
        if number in edges:
            windows += counting.close_due(counting.next_close_s)
        counting.take(step_at({1: place}))
    windows.append(counting.close_now(counting.next_close_s))
    balance = 0
    for window in windows:
        assert window.came_in in {0, 1}
        assert window.went_out in {0, 1}
        balance += window.came_in - window.went_out
        assert abs(balance) <= 1


@given(walks)
def test_the_line_turned_round_or_the_walk_played_backwards_swaps_in_and_out(ys: list[float]) -> None:
    came_in, went_out = counted(*ys)
    assert counted(*ys, line=(1.0, 0.5, 0.0, 0.5)) == (went_out, came_in)
    assert counted(*reversed(ys)) == (went_out, came_in)


@given(st.lists(st.dictionaries(st.integers(1, 4), heights), max_size=30))
def test_neither_other_tracks_nor_the_order_within_a_frame_matter(frames: list[dict[int, float]]) -> None:
    together = CrossingsAggregator("door", ACROSS, 60.0, 0.0)
    shuffled = CrossingsAggregator("door", ACROSS, 60.0, 0.0)
    alone = {track_id: CrossingsAggregator("door", ACROSS, 60.0, 0.0) for track_id in range(1, 5)}
    for frame in frames:
        whole = {track_id: (320.0, y) for track_id, y in frame.items()}
        together.take(step_at(whole))
        shuffled.take(step_at(dict(reversed(whole.items()))))
        for track_id, place in whole.items():
            alone[track_id].take(step_at({track_id: place}))
    singles = [counting.close_now(9.0) for counting in alone.values()]
    window = together.close_now(9.0)
    assert window == shuffled.close_now(9.0)
    assert window.came_in == sum(single.came_in for single in singles)
    assert window.went_out == sum(single.went_out for single in singles)


@given(walks, st.sampled_from((0.25, 2.0, 6.0)))
def test_the_size_of_the_picture_does_not_matter(ys: list[float], scale: float) -> None:
    small = CrossingsAggregator("door", ACROSS, 60.0, 0.0)
    large = CrossingsAggregator("door", ACROSS, 60.0, 0.0)
    picture_px = (int(PICTURE_PX[0] * scale), int(PICTURE_PX[1] * scale))
    for y in ys:
        small.take(step_at({1: (320.0, y)}))
        scaled = {1: (320.0 * scale, y * scale)}
        large.take(step_at(scaled, picture_px=picture_px, face_px=FACE_PX * scale))
    assert small.close_now(9.0) == large.close_now(9.0)


def test_re_entry_does_not_inflate_a_stay() -> None:
    """Two steps out and back again in the same minute: one person is inside, and the numbers say so."""
    assert counted(OUTSIDE, INSIDE, OUTSIDE, INSIDE, OUTSIDE, INSIDE) == (1, 1)
    counting = CrossingsAggregator("door", ACROSS, 60.0, 0.0)
    windows = []
    for y in (OUTSIDE, INSIDE, OUTSIDE, INSIDE, OUTSIDE):
        counting.take(step_at({1: (320.0, y)}))
        windows += counting.close_due(counting.next_close_s)
    assert [(w.came_in, w.went_out) for w in windows] == [(0, 0), (1, 0), (0, 1), (1, 0), (0, 1)]


@pytest.mark.parametrize("seed", range(4))
def test_everybody_who_walks_through_counts_once_and_the_right_way(seed: int) -> None:
    """Behind the real tracker, two at a time in two lanes, with boxes as unsteady as a detector's."""
    dice = Random(seed)  # noqa: S311 - a seeded draw makes the outcome final
    tracker = PositionTracker(TrackerSettings())
    counting = CrossingsAggregator("door", ACROSS, 86_400.0, 0.0)
    now_s = 0.0
    for _ in range(25):
        height = dice.uniform(20.0, 60.0)
        speed = dice.uniform(0.8, 4.0) * height
        for frame in range(ceil(480.0 / speed * 10.0) + 20):  # and nobody for two seconds
            now_s += 0.1
            way = frame * 0.1 * speed
            centres = [(160.0, way), (480.0, 480.0 - way)] if way <= 480.0 else []
            faces = [face_near(dice, x, y, height) for x, y in centres]
            tracks = tuple(track for track in tracker.update(faces, PICTURE_PX, now_s) if track.observed)
            counting.take(Step((), 1.0, tracks, PICTURE_PX, detected=True))
    window = counting.close_now(now_s)
    assert (window.came_in, window.went_out) == (25, 25)


def face_near(dice: Random, x: float, y: float, height: float) -> Face:
    """Off by a twentieth of its height."""
    x, y = (dice.gauss(centre, height / 20.0) for centre in (x, y))
    half = dice.gauss(height, height / 20.0) / 2.0
    return Face(Box(x - half, y - half, x + half, y + half), 0.9)


def test_who_passes_beside_the_ends_has_not_crossed() -> None:
    door = (0.4, 0.5, 0.6, 0.5)
    counting = CrossingsAggregator("door", door, 60.0, 0.0)
    for y in (OUTSIDE, INSIDE):
        counting.take(step_at({1: (320.0, y), 2: (100.0, y), 3: (500.0, y)}))
    assert counting.close_now(9.0).came_in == 1


def test_who_came_in_and_went_round_the_end_comes_in_once() -> None:
    counting = CrossingsAggregator("door", (0.4, 0.5, 0.6, 0.5), 60.0, 0.0)
    way = [(320.0, OUTSIDE), (320.0, INSIDE), (100.0, INSIDE), (100.0, OUTSIDE), (320.0, OUTSIDE)]
    windows = []
    for place in (*way, (320.0, INSIDE)):
        counting.take(step_at({1: place}))
        windows += counting.close_due(counting.next_close_s)
    assert [(w.came_in, w.went_out) for w in windows] == [(0, 0), (1, 0), (0, 0), (0, 0), (0, 0), (0, 0)]


def test_a_place_that_was_predicted_does_not_count() -> None:
    counting = CrossingsAggregator("door", ACROSS, 60.0, 0.0)
    counting.take(step_at({1: (320.0, OUTSIDE)}))
    counting.take(step_at({1: (320.0, INSIDE)}, detected=False))
    counting.take(step_at({1: (320.0, OUTSIDE)}))
    window = counting.close_now(9.0)
    assert (window.came_in, window.went_out) == (0, 0)


def test_where_a_track_begins_says_nothing() -> None:
    assert counted(INSIDE, INSIDE + 20.0) == (0, 0)
    assert counted(Y_PX, INSIDE) == (0, 0)


def test_a_crossing_belongs_to_the_window_in_which_it_was_complete() -> None:
    counting = CrossingsAggregator("door", ACROSS, 60.0, 0.0)
    counting.take(step_at({1: (320.0, OUTSIDE)}))
    counting.take(step_at({1: (320.0, Y_PX + 1.0)}))
    first = counting.close_due(60.0)[0]
    counting.take(step_at({1: (320.0, INSIDE)}))
    second = counting.close_due(120.0)[0]
    assert (first.came_in, second.came_in) == (0, 1)


def test_a_busy_day_counts_everybody_with_bounded_memory() -> None:
    counting = CrossingsAggregator("door", ACROSS, 86_400.0, 0.0)
    for first in range(0, 20_000, 50):
        for y in (OUTSIDE, INSIDE):
            counting.take(step_at(dict.fromkeys(range(first, first + 50), (320.0, y))))
    assert len(counting._walks) <= MOST_TRACKS
    window = counting.close_due(86_400.0)[0]
    assert (window.came_in, window.went_out) == (20_000, 0)
