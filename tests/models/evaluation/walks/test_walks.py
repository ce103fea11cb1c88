"""A walk's truth is what its pictures show."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from agent.domain import Box
from models.data import LabelledPhoto, Portrait
from models.evaluation.walks import SCENARIOS, Kind, make_cast, make_walk
from models.evaluation.walks.actors import Path, look, pose
from models.evaluation.walks.stage import Stage

GREY = np.full((160, 130), 128, np.uint8)


def portrait(name: str) -> Portrait:
    return Portrait(f"{name}_0001.jpg", GREY, 1, (15.0, 10.0, 100.0, 140.0))


CAST = [portrait(f"Person{number}") for number in range(40)]
NOBODY = np.empty((0, 4), np.float32)
WALL = [LabelledPhoto("wall.jpg", np.full((224, 224, 3), 90, np.uint8), NOBODY, NOBODY)]


def still(across: float, down: float, height: float) -> list[tuple[float, float, float, float]]:
    """Nine seconds at one place."""
    return [(0.0, across, down, height), (9.0, across, down, height)]


def staged(*ways: list[tuple[float, float, float, float]]) -> Stage:
    stage = Stage(CAST, 10.0, 1)
    for way in ways:
        stage.send(way, sway=0.0)
    return stage


def test_nobody_is_in_the_cast_for_choosing_and_for_reporting() -> None:
    choosing, reporting = make_cast(CAST, "choosing"), make_cast(CAST, "reporting")
    assert {p.name for p in choosing} | {p.name for p in reporting} == {p.name for p in CAST}
    assert not {p.name for p in choosing} & {p.name for p in reporting}


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_one_seed_sends_the_same_people_and_another_seed_others(name: str) -> None:
    def ways(seed: int) -> list[list[float]]:
        walk = make_walk(SCENARIOS[name], CAST, WALL, 12, seed)
        return [actor.path.places_px.ravel().tolist() for actor in walk.actors]

    assert ways(1) == ways(1) != ways(2)


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_times_of_every_way_ascend_and_faces_have_a_size(name: str) -> None:
    for actor in make_walk(SCENARIOS[name], CAST, WALL, 30, 3).actors:
        assert (np.diff(actor.path.times_s) > 0.0).all()
        assert (actor.path.places_px[:, 2] > 5.0).all()


def test_a_nearer_face_hides_a_farther_one_and_never_the_other_way_round() -> None:
    stage = staged(
        still(320.0, 200.0, 60.0),
        still(320.0, 205.0, 90.0),
    )
    far, near = look(pose(stage.actors, 5.0, (0.0, 0.0)), ())
    assert (far.number, far.visible) == (0, 0.0)
    assert (near.number, near.visible) == (1, 1.0)


def test_a_body_hides_whoever_stands_lower_behind_it() -> None:
    stage = staged(
        still(320.0, 330.0, 50.0),
        still(320.0, 200.0, 90.0),
    )
    assert look(pose(stage.actors, 5.0, (0.0, 0.0)), ())[0].visible == 0.0


def test_half_a_face_at_the_edge_or_behind_a_pillar_is_half_seen() -> None:
    at_edge = staged(still(0.0, 200.0, 60.0))
    assert look(pose(at_edge.actors, 5.0, (0.0, 0.0)), ())[0].visible == pytest.approx(0.6)
    amid = staged(still(300.0, 200.0, 60.0))
    pillar = Box(300.0, 0.0, 400.0, 480.0)
    assert look(pose(amid.actors, 5.0, (0.0, 0.0)), [pillar])[0].visible == pytest.approx(0.4)


def test_who_looks_away_is_not_seen() -> None:
    stage = Stage(CAST, 10.0, 1)
    stage.send(still(320.0, 200.0, 60.0), ((2.0, 4.0),))
    seen = [look(pose(stage.actors, now_s, (0.0, 0.0)), ())[0].visible for now_s in (1.0, 3.0, 5.0)]
    assert seen == [1.0, 0.0, 1.0]


def test_the_face_is_drawn_where_the_truth_says() -> None:
    walk = make_walk(SCENARIOS["sparse"], CAST, WALL, 6, 4)
    looked = 0
    for moment in walk.moments():
        for sight in moment.sights:
            if sight.visible == 1.0 and sight.kind is Kind.person:
                box = sight.box
                down, across = round((box.top + box.bottom) / 2), round((box.left + box.right) / 2)
                centre = moment.pixels[down, across]
                # The portrait's grey, tinted as skin: unlike the wall in every channel.
                assert int(centre[2]) > int(centre[0]) + 15
                looked += 1
    assert looked > 50


def test_a_path_rounds_its_corners_and_ends_where_it_should() -> None:
    path = Path(
        np.array([0.0, 1.0, 2.0]),
        np.array([[0.0, 0.0, 50.0], [100.0, 0.0, 50.0], [100.0, 0.0, 50.0]]),
        sway=0.0,
    )
    assert path.at(-0.1) is None
    assert path.at(2.1) is None
    steps = [float(place[0]) for now_s in np.arange(0.0, 2.0, 0.1) if (place := path.at(now_s)) is not None]
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(steps))
    assert steps[-1] == pytest.approx(100.0)
