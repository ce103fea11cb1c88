"""A camera at rest passes frames over, and still delivers the last one before its time is up."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from agent.source.rest import LATENESS, Rest

if TYPE_CHECKING:
    from collections.abc import Sequence


def looked_at(times_s: Sequence[float], rest: Rest) -> list[float]:
    return [at_s for at_s in times_s if not rest.covers(at_s)]


def test_without_a_rest_every_frame_is_looked_at() -> None:
    times_s = [number / 15.0 for number in range(30)]
    assert looked_at(times_s, Rest()) == times_s


def test_the_last_frame_before_the_end_is_looked_at_and_those_before_it_are_not() -> None:
    rest = Rest()
    rest.covers(0.0)
    rest.until(0.5)
    assert looked_at([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], rest) == [0.4, 0.5, 0.6]


def test_the_first_frame_of_all_is_looked_at() -> None:
    """Nobody knows yet when the next one comes."""
    rest = Rest()
    rest.until(1000.0)
    assert not rest.covers(1.0)


def test_a_rest_that_is_asked_for_between_two_frames_holds_for_the_second() -> None:
    """The order is listened to before the answer, not after it."""
    orders = [0.0, 0.0, 9.0]
    rest = Rest(lambda: rest.until(orders.pop(0)))
    assert [rest.covers(at_s) for at_s in (1.0, 2.0, 3.0)] == [False, False, True]


@given(
    st.lists(st.floats(0.001, 1.0), min_size=3, max_size=60),
    st.floats(0.0, 60.0),
)
def test_whenever_a_frame_is_passed_over_a_later_one_comes_in_time_unless_the_camera_slows_down(
    gaps_s: list[float], until_s: float
) -> None:
    times_s = list(accumulate(gaps_s))
    rest = Rest()
    rest.until(until_s)
    passed = [rest.covers(at_s) for at_s in times_s]
    for (before, now, after), covered in zip(
        zip(times_s, times_s[1:], times_s[2:], strict=False), passed[1:], strict=False
    ):
        if covered and after - now <= LATENESS * (now - before):
            assert after <= until_s + 1e-9


@given(st.lists(st.floats(0.001, 1.0), min_size=2, max_size=60))
def test_after_the_end_every_frame_is_looked_at(gaps_s: list[float]) -> None:
    times_s = list(accumulate(gaps_s))
    rest = Rest()
    rest.until(times_s[0])
    assert looked_at(times_s, rest) == times_s
    assert all(later > earlier for earlier, later in pairwise(times_s))
