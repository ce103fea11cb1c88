"""A day's total is the sum of whole windows, each in exactly one total, ended by midnight or by a stop."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.domain import LABELS, DayTotal, EmotionWindow
from agent.privacy.day import DAY_S, DayKeeper

WINDOW_S = 300.0


def window(sequence: int, opened_at_s: float, length_s: float = WINDOW_S, **given: float) -> EmotionWindow:
    counts = {"neutral": sequence % 7, "happiness": 1}
    return EmotionWindow(
        "door", sequence, opened_at_s, opened_at_s + length_s, given.get("coverage", 1.0), counts
    )


def totals_of(keeper: DayKeeper, windows: list[EmotionWindow]) -> list[DayTotal]:
    found = [keeper.add(each) for each in windows]
    return [total for total in (*found, keeper.close()) if total is not None]


def a_run(number: int, begin_s: float = 1_000.25, length_s: float = WINDOW_S) -> list[EmotionWindow]:
    return [window(index, begin_s + index * length_s, length_s) for index in range(number)]


def offset_for(clock: str, at_s: float = 1_000.25) -> float:
    """So that the monotonic instant ``at_s`` is that time of a day."""
    hours, minutes = map(int, clock.split(":"))
    return datetime(2026, 11, 22, hours, minutes, tzinfo=UTC).timestamp() - at_s


def test_a_total_is_the_sum_of_the_windows_it_names() -> None:
    keeper = DayKeeper(WINDOW_S, lambda: None)
    windows = a_run(10)
    assert [keeper.add(each) for each in windows] == [None] * 10
    total = keeper.close()
    assert total is not None
    assert (total.sequence, total.first_window, total.windows) == (0, 0, 10)
    assert (total.opened_at_s, total.closed_at_s) == (windows[0].opened_at_s, windows[-1].closed_at_s)
    assert total.counts == {"neutral": sum(index % 7 for index in range(10)), "happiness": 10}


def test_without_windows_there_is_no_total() -> None:
    assert DayKeeper(WINDOW_S, lambda: None).close() is None


def test_while_the_time_is_not_known_a_day_has_24_hours() -> None:
    first, second, rest = totals_of(DayKeeper(WINDOW_S, lambda: None), a_run(2 * 288 + 5))
    assert (first.windows, second.windows, rest.windows) == (288, 288, 5)
    assert (first.sequence, second.sequence, rest.sequence) == (0, 1, 2)
    assert second.first_window == 288


@pytest.mark.parametrize(
    ("begins", "windows"), [("10:00", 14 * 12), ("23:51", 2), ("00:00", 288), ("23:58", 288)]
)
def test_once_the_time_is_known_a_day_ends_at_the_edge_nearest_to_midnight(begins: str, windows: int) -> None:
    """The last: the window that lies across midnight ends its day only where most of it is in it."""
    offset_s = offset_for(begins)
    totals = totals_of(DayKeeper(WINDOW_S, lambda: offset_s), a_run(900))
    assert totals[0].windows == windows
    assert {total.windows for total in totals[1:-1]} == {288}


@pytest.mark.parametrize("step_s", [-0.6, 0.6])
def test_a_clock_corrected_at_midnight_makes_no_day_of_one_window(step_s: float) -> None:
    """An edge may lie a moment before or after midnight, and the clock is put right by half a second."""
    offset_s = offset_for("22:00")
    keeper = DayKeeper(WINDOW_S, lambda: offset_s)
    totals = []
    for each in a_run(24 + 288 + 5):
        total = keeper.add(each)
        if total is not None:
            totals.append(total)
            offset_s += step_s
    assert [total.windows for total in totals] == [24, 288]


def test_a_clock_found_in_mid_day_ends_the_day_at_its_midnight() -> None:
    known: list[float] = []
    keeper = DayKeeper(WINDOW_S, lambda: known[0] if known else None)
    windows = a_run(100)
    assert all(keeper.add(each) is None for each in windows[:20])
    known.append(offset_for("21:00"))
    totals = totals_of(keeper, windows[20:])
    assert [total.windows for total in totals] == [36, 64]


def test_a_midnight_that_passed_before_the_clock_was_known_ends_the_day_at_once() -> None:
    known: list[float] = []
    keeper = DayKeeper(WINDOW_S, lambda: known[0] if known else None)
    windows = a_run(100)
    assert all(keeper.add(each) is None for each in windows[:60])
    known.append(offset_for("21:00"))
    totals = totals_of(keeper, windows[60:])
    assert [total.windows for total in totals] == [61, 39]


def test_coverage_is_that_of_the_whole_time() -> None:
    keeper = DayKeeper(WINDOW_S, lambda: None)
    keeper.add(window(0, 0.0, 300.0, coverage=1.0))
    keeper.add(window(1, 300.0, 100.0, coverage=0.0))
    total = keeper.close()
    assert total is not None
    assert total.coverage == pytest.approx(0.75)


clocks = st.one_of(st.none(), st.floats(min_value=1.7e9, max_value=1.8e9))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from(LABELS), st.integers(0, 9), max_size=3),
            clocks,
            st.booleans(),
        ),
        min_size=1,
        max_size=60,
    ),
    st.sampled_from((300.0, 3_600.0, 40_000.0, 86_400.0)),
)
def test_every_window_is_part_of_exactly_one_total_whatever_the_clock_and_restarts_do(
    history: list[tuple[dict[str, int], float | None, bool]], window_s: float
) -> None:
    """Which is what makes a track in one window pay for one total only."""
    clock: float | None = None
    keeper = DayKeeper(window_s, lambda: clock)
    totals: list[DayTotal] = []
    for sequence, (counts, clock, stops) in enumerate(history):  # noqa: B007 - the keeper reads it
        opened_at_s = sequence * window_s
        each = EmotionWindow("door", sequence, opened_at_s, opened_at_s + window_s, 1.0, counts)
        found = [keeper.add(each), keeper.close() if stops else None]
        totals += [total for total in found if total is not None]
    last = keeper.close()
    totals += [last] if last is not None else []
    covered = [
        sequence
        for total in totals
        for sequence in range(total.first_window, total.first_window + total.windows)
    ]
    assert covered == list(range(len(history)))
    assert [total.sequence for total in totals] == list(range(len(totals)))
    summed: Counter[str] = Counter()
    for total in totals:
        summed.update(total.counts)
        assert total.closed_at_s - total.opened_at_s <= DAY_S + 1.5 * window_s
    assert summed == sum((Counter(counts) for counts, _, _ in history), Counter())
    for earlier, later in itertools.pairwise(totals):
        assert earlier.closed_at_s == later.opened_at_s
