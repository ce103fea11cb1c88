"""A face on a chest is nobody, and a second person is never taken for one."""

from __future__ import annotations

from math import sin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import Box
from agent.tracker.prints import Prints

HEIGHT_PX = 80.0


def face(across: float, down: float, height: float = HEIGHT_PX) -> Box:
    half = 0.375 * height
    return Box(across - half, down - height / 2.0, across + half, down + height / 2.0)


def watched(ways: list[list[Box]]) -> Prints:
    """Tracks 1, 2 …, each with a box at every look."""
    prints = Prints()
    for boxes in zip(*ways, strict=True):
        prints.observe(list(enumerate(boxes, 1)))
    return prints


def test_a_print_that_walks_with_its_wearer_is_nobody() -> None:
    """Though it is as large as a child's face."""
    wearer = [face(100.0 + 20.0 * look, 150.0 + 2.0 * sin(look)) for look in range(12)]
    worn = [face(102.0 + 20.0 * look, 290.0 + 2.5 * sin(look), 72.0) for look in range(12)]
    prints = watched([wearer, worn])
    assert (prints.is_print(1), prints.is_print(2)) == (False, True)


def test_a_small_print_is_nobody_though_its_wearer_stands() -> None:
    prints = watched([[face(300.0, 150.0)] * 12, [face(305.0, 290.0, 40.0)] * 12])
    assert (prints.is_print(1), prints.is_print(2)) == (False, True)


def test_two_who_walk_one_before_the_other_are_two() -> None:
    """A child before a parent: their steps differ."""
    parent = [face(100.0 + 20.0 * look, 150.0 + 3.0 * sin(1.1 * look)) for look in range(30)]
    child = [
        face(108.0 + 20.0 * look + 9.0 * sin(0.8 * look), 255.0 + 6.0 * sin(1.7 * look), 72.0)
        for look in range(30)
    ]
    prints = watched([parent, child])
    assert not prints.is_print(1)
    assert not prints.is_print(2)


def test_two_who_stand_in_two_rows_are_two() -> None:
    assert not watched([[face(300.0, 150.0)] * 40, [face(310.0, 260.0, 76.0)] * 40]).is_print(2)


def test_who_passes_below_for_a_moment_stays_a_person() -> None:
    still = [face(300.0, 150.0)] * 20
    passing = [face(60.0 + 40.0 * look, 290.0, 44.0) for look in range(20)]
    assert not watched([still, passing]).is_print(2)


@given(st.floats(1.05, 3.0), st.floats(-400.0, 400.0), st.floats(-200.0, 400.0))
def test_nothing_larger_is_worn(ratio: float, across: float, down: float) -> None:
    lower = face(300.0 + across, 300.0 + down, HEIGHT_PX * ratio)
    assert not watched([[face(300.0, 300.0)] * 12, [lower] * 12]).is_print(2)


@pytest.mark.parametrize("live", [{1}, set()])
def test_what_is_gone_is_forgotten(live: set[int]) -> None:
    prints = watched([[face(300.0, 150.0)] * 12, [face(305.0, 290.0, 40.0)] * 12])
    prints.forget(live)
    assert not prints.is_print(2)
