"""A face that never lives is a picture, and whoever breathes is a person."""

from __future__ import annotations

from math import pi, sin
from random import Random

import pytest

from agent.domain import Box
from agent.tracker.pictures import Pictures

SIZE_PX = 60.0
BREATH = 0.015
"""How far a sleeper's head swings, in sizes."""


class Face:
    """One face in front of a camera that trembles a little."""

    def __init__(self, seed: int = 0, noise: float = 0.004, breath: float = 0.0) -> None:
        self._chance = Random(seed)  # noqa: S311 - repeatable trembling, no secrets
        self._noise, self._breath = noise * SIZE_PX, breath * SIZE_PX
        self.across_px, self.down_px = 200.0, 120.0

    def at(self, now_s: float) -> Box:
        swing = self._breath * sin(2.0 * pi * 0.23 * now_s)
        across = self.across_px + swing + self._chance.gauss(0.0, self._noise)
        down = self.down_px + self._chance.gauss(0.0, self._noise)
        half = SIZE_PX / 2.0
        return Box(across - half, down - half, across + half, down + half)


def hang(  # noqa: PLR0917 - who, when, under which number, how often
    pictures: Pictures, face: Face, start_s: float, end_s: float, number: int = 1, fps: float = 10.0
) -> None:
    """Show the face, and nothing else, for some time."""
    for frame in range(round((end_s - start_s) * fps)):
        now_s = start_s + frame / fps
        if frame % max(1, round(fps / 4.0)):
            continue
        pictures.observe([(number, face.at(now_s))], now_s)


@pytest.mark.parametrize("fps", [3.0, 5.0, 15.0, 30.0])
@pytest.mark.parametrize("noise", [0.0, 0.003, 0.02, 0.05])
def test_a_poster_is_a_picture_after_five_minutes_and_not_before(fps: float, noise: float) -> None:
    pictures, poster = Pictures(), Face(noise=noise)
    hang(pictures, poster, 0.0, 290.0, fps=fps)
    assert not pictures.is_picture(1)
    hang(pictures, poster, 290.0, 340.0, fps=fps)
    assert pictures.is_picture(1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("fps", [3.0, 15.0])
def test_somebody_asleep_for_twenty_minutes_stays_a_person(seed: int, fps: float) -> None:
    pictures, sleeper = Pictures(), Face(seed, breath=BREATH)
    for minute in range(20):
        hang(pictures, sleeper, 60.0 * minute, 60.0 * (minute + 1), fps=fps)
        assert not pictures.is_picture(1)


def test_somebody_who_breathes_too_little_to_be_seen_but_shifts_now_and_then_stays_a_person() -> None:
    pictures, sleeper = Pictures(), Face(noise=0.02)
    for minute in range(20):
        sleeper.across_px += (-1.0) ** (minute // 2) * 0.06 * SIZE_PX
        hang(pictures, sleeper, 60.0 * minute, 60.0 * (minute + 1))
        assert not pictures.is_picture(1)


def test_who_stirs_after_long_stillness_counts_again() -> None:
    pictures, person = Pictures(), Face()
    hang(pictures, person, 0.0, 400.0)
    assert pictures.is_picture(1)
    person.across_px += 0.5 * SIZE_PX
    hang(pictures, person, 400.0, 401.0)
    assert not pictures.is_picture(1)


def test_passers_by_make_nobody_of_a_poster() -> None:
    """Every few seconds somebody stands before it, and the box jumps to their face for a moment."""
    pictures, poster, passer = Pictures(), Face(), Face(1)
    passer.across_px += 0.2 * SIZE_PX
    for second in range(400):
        hang(pictures, passer if second % 7 == 0 else poster, second, second + 1.0)
    assert pictures.is_picture(1)


def test_a_poster_that_comes_out_of_the_dark_is_still_a_picture() -> None:
    pictures, poster = Pictures(), Face()
    hang(pictures, poster, 0.0, 400.0)
    pictures.forget((), 430.0)
    hang(pictures, poster, 40_000.0, 40_001.0, number=2)
    assert pictures.is_picture(2)


def test_half_a_night_of_switching_lamps_does_not_keep_a_poster_from_being_known() -> None:
    """Never seen for longer than twenty seconds at a time."""
    pictures, poster = Pictures(), Face()
    for turn in range(60):
        hang(pictures, poster, 40.0 * turn, 40.0 * turn + 20.0, number=turn)
        pictures.forget((), 40.0 * turn + 31.0)
    hang(pictures, poster, 2_400.0, 2_401.0, number=99)
    assert pictures.is_picture(99)


def test_somebody_who_steps_before_a_remembered_poster_counts_once_they_live() -> None:
    pictures, poster, person = Pictures(), Face(), Face(3, breath=BREATH)
    hang(pictures, poster, 0.0, 400.0)
    pictures.forget((), 420.0)
    hang(pictures, person, 500.0, 540.0, number=2)
    assert not pictures.is_picture(2)


def test_what_is_remembered_is_bounded_and_ends() -> None:
    pictures = Pictures()
    for place in range(400):
        face = Face(place)
        face.across_px = 200.0 * place
        hang(pictures, face, 40.0 * place, 40.0 * place + 35.0, number=place, fps=4.0)
        pictures.forget((), 40.0 * place + 36.0)
    assert len(pictures._places) <= 200
    hang(pictures, Face(), 10.0**7, 10.0**7 + 1.0, number=999)
    pictures.forget((), 10.0**7 + 2.0)
    assert not pictures._places
