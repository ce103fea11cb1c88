"""Too many and too few are told apart, and nobody is asked for whom no one could see."""

from __future__ import annotations

from pathlib import Path

from agent.domain import Box, EmotionWindow, Track
from models.evaluation.counting import CountScores, Played, score_count, write_mot
from models.evaluation.counting.playing import Look
from models.evaluation.walks import Kind, Sight

FPS = 10.0


def box(across: float) -> Box:
    return Box(across, 100.0, across + 40.0, 150.0)


def sight(number: int, across: float, visible: float = 1.0, kind: Kind = Kind.person) -> Sight:
    return Sight(number, kind, box(across), visible)


def played(sights: list[list[Sight]], tracks: list[list[Track]], people: int) -> Played:
    """One window of so many looks."""
    looks = tuple(
        Look(index / FPS, tuple(seen), (), tuple(told))
        for index, (seen, told) in enumerate(zip(sights, tracks, strict=True))
    )
    window = EmotionWindow("walk", 0, 0.0, 60.0, 1.0, {"neutral": people})
    return Played(looks, (window,), ())


def track(number: int, across: float, *, observed: bool = True) -> Track:
    return Track(number, box(across), 0.9, observed)


def score(sights: list[list[Sight]], tracks: list[list[Track]], people: int = 1) -> CountScores:
    return score_count(played(sights, tracks, people), {0: "neutral", 1: "happiness", 2: "neutral"})


def test_a_person_who_is_followed_throughout_is_counted_right() -> None:
    scores = score([[sight(0, 100.0)]] * 30, [[track(1, 100.0)]] * 30)
    assert (scores.people, scores.counted, scores.bias) == (1, 1, 0.0)
    assert (scores.missed, scores.split, scores.ghosts) == (0, 0, 0)
    assert (scores.window_bias, scores.window_error) == (0.0, 0.0)


def test_two_tracks_of_one_person_are_one_too_many() -> None:
    scores = score([[sight(0, 100.0)]] * 30, [[track(1, 100.0)]] * 15 + [[track(2, 100.0)]] * 15, 2)
    assert (scores.counted, scores.split, scores.missed) == (2, 1, 0)
    assert scores.window_bias == 1.0


def test_one_track_of_two_people_is_one_too_few() -> None:
    sights = [[sight(0, 100.0)]] * 20 + [[sight(1, 100.0)]] * 15
    scores = score(sights, [[track(1, 100.0)]] * 35)
    assert (scores.people, scores.counted, scores.missed) == (2, 1, 1)


def test_too_many_and_too_few_do_not_make_up_for_each_other() -> None:
    sights = [[sight(0, 100.0), sight(1, 400.0)]] * 30
    tracks = [[track(1, 100.0)]] * 15 + [[track(2, 100.0)]] * 15
    scores = score(sights, tracks, 2)
    assert (scores.bias, scores.missed, scores.split) == (0.0, 1, 1)


def test_who_is_seen_for_less_than_a_second_or_by_less_than_half_is_nobody_to_be_counted() -> None:
    glimpse = [[sight(0, 100.0)]] * 8 + [[]] * 22
    assert score(glimpse, [[]] * 30, 0).people == 0
    assert score([[sight(0, 100.0, visible=0.4)]] * 30, [[]] * 30, 0).people == 0
    assert score(glimpse, [[track(1, 100.0)]] * 8 + [[]] * 22, 1).glimpsed == 1


def test_posters_and_things_are_told_apart_from_people() -> None:
    sights = [[sight(0, 100.0, kind=Kind.poster)]] * 30
    scores = score(sights, [[track(1, 100.0), track(2, 400.0)]] * 30, 2)
    assert (scores.people, scores.pictures, scores.ghosts) == (0, 1, 1)


def test_a_track_that_is_only_expected_somewhere_counts_nobody() -> None:
    assert score([[sight(0, 100.0)]] * 30, [[track(1, 100.0, observed=False)]] * 30, 0).counted == 0


def test_mot_files_hold_what_is_to_be_seen_and_what_was_followed(tmp_path: Path) -> None:
    sights = [[sight(0, 100.0), sight(1, 300.0, visible=0.2)]] * 3
    write_mot(tmp_path / "scene", played(sights, [[track(7, 100.0)]] * 3, 1), FPS)
    truth = (tmp_path / "scene" / "gt.txt").read_text().splitlines()
    assert [row.split(",")[:3] for row in truth] == [[str(frame), "1", "100.00"] for frame in (1, 2, 3)]
    ours = (tmp_path / "scene" / "ours.txt").read_text().splitlines()
    assert [row.split(",")[1] for row in ours] == ["7"] * 3
