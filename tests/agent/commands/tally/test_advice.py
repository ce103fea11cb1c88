"""Advice follows from what was seen, names the figures, and is silent where nothing stands out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.commands.tally.advice import advice
from agent.commands.tally.compare import Comparison, compare
from agent.commands.tally.report import lines
from agent.commands.tally.scene import Scene
from agent.commands.tally.sightings import Lookout, Sighting
from agent.domain import Box, Face, Reading
from agent.pipeline import Step
from agent.settings import TrackerSettings
from agent.tracker import make_tracker

WIDTH, HEIGHT = 640, 480


def face(x: float, y: float = 200.0, height: float = 60.0) -> Box:
    return Box(x, y, x + 0.8 * height, y + height)


def walk(began_s: float, first: Box, last: Box, *, lasts_s: float = 4.0) -> Sighting:
    return Sighting(began_s, began_s + lasts_s, first, last, [first.height], voted=True)


def across(began_s: float, height: float = 60.0) -> Sighting:
    """From edge to edge, as it should be."""
    return walk(began_s, face(5.0, height=height), face(635.0 - 0.8 * height, height=height))


WELL = Scene(
    source="door",
    seconds=300.0,
    away_s=0.0,
    frame_px=(WIDTH, HEIGHT),
    input_px_per_px=0.5,
    zones=(),
    tracks=tuple(across(10.0 * at) for at in range(10)),
    doubtful=0,
    looks_per_s=15.0,
    kept_up=1.0,
)


def only(scene: Scene) -> str:
    (sentence,) = advice(scene)
    assert sentence.endswith(".")
    return sentence


def test_where_all_is_well_there_is_nothing_to_say() -> None:
    assert advice(WELL) == []


def test_an_empty_room_is_no_reason_for_advice() -> None:
    assert advice(replace(WELL, tracks=(), looks_per_s=None)) == []


def test_a_slow_camera_and_a_slow_box_are_told_apart() -> None:
    camera = only(replace(WELL, looks_per_s=4.8))
    box = only(replace(WELL, looks_per_s=4.8, kept_up=0.5))
    assert "4.8 times a second" in camera
    assert "sources.door.fps" in camera
    assert "50% of the frames" in box
    assert "models.detector" in box


def test_small_faces_are_measured_where_the_network_looks() -> None:
    small = replace(WELL, tracks=tuple(across(10.0 * at, 40.0) for at in range(10)))
    assert "20 px high" in only(small)
    assert advice(replace(small, input_px_per_px=0.65)) == []


def test_tracks_that_end_amid_the_picture_are_counted_and_so_are_those_that_go_on() -> None:
    """A pillar: half of the people end before it and begin anew behind it."""
    before = [walk(10.0 * at, face(5.0), face(290.0)) for at in range(4)]
    behind = [walk(10.0 * at + 5.0, face(350.0), face(580.0)) for at in range(3)]
    said = only(replace(WELL, tracks=(*WELL.tracks, *before, *behind)))
    assert said.startswith("4 of 17 tracks ended amid the picture, 3 of them with another")


def test_whoever_is_still_there_at_the_end_was_not_lost() -> None:
    there = [walk(290.0, face(5.0), face(290.0), lasts_s=9.5) for _ in range(9)]
    assert advice(replace(WELL, tracks=(*WELL.tracks, *there))) == []


def test_short_tracks_at_the_edge_and_amid_the_picture_ask_for_different_things() -> None:
    at_edge = [walk(10.0 * at, face(1.0), face(9.0), lasts_s=0.4) for at in range(5)]
    through = [walk(10.0 * at, face(5.0), face(580.0), lasts_s=0.9) for at in range(5)]
    nearer = [walk(10.0 * at, face(250.0), face(590.0), lasts_s=0.9) for at in range(5)]
    assert "5 of 15 tracks lasted less than 1 s, 5 of them at the edge" in only(
        replace(WELL, tracks=(*WELL.tracks, *at_edge))
    )
    assert "turn the camera" in only(replace(WELL, tracks=(*WELL.tracks, *through)))
    assert "look along the way" in only(replace(WELL, tracks=(*WELL.tracks, *nearer)))


def test_a_zone_in_the_way_is_told_and_one_beside_it_is_not() -> None:
    stopped = tuple(walk(10.0 * at, face(5.0), face(240.0)) for at in range(10))
    in_the_way = ((0.47, 0.0), (0.6, 0.0), (0.6, 1.0), (0.47, 1.0))
    beside = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.1), (0.0, 0.1))
    said = only(replace(WELL, tracks=stopped, zones=(beside, in_the_way)))
    assert said.startswith("10 of 10 tracks began or ended at an exclusion zone")
    assert "amid the picture" in only(replace(WELL, tracks=stopped, zones=(beside,)))


def test_faces_that_never_counted_and_a_camera_that_was_away_are_told() -> None:
    assert only(replace(WELL, doubtful=6)).startswith("6 faces were seen, and not surely")
    assert advice(replace(WELL, doubtful=1)) == []
    assert "away for 30 of 300 s" in only(replace(WELL, away_s=30.2))


def test_a_picture_on_the_wall_is_told_and_somebody_who_comes_and_goes_is_not() -> None:
    poster = walk(2.0, face(300.0), face(301.0), lasts_s=297.0)
    said = only(replace(WELL, tracks=(*WELL.tracks, poster)))
    assert said.startswith("1 of 11 faces were in one place all the time")


# --- what is noted ----------------------------------------------------------------------------------------


def watched(*frames: list[Face], every_s: float = 0.1) -> Lookout:
    """The notes on a real tracker that is shown these detections."""
    lookout = Lookout()
    tracker = lookout.over(make_tracker(TrackerSettings()))
    for number, faces in enumerate(frames):
        tracks = tracker.update(faces, (WIDTH, HEIGHT), number * every_s)
        readings = tuple(Reading(track.track_id, "neutral", 0.9) for track in tracks)
        lookout.stepped(Step(readings, 10.0, detected=True))
    return lookout


def test_a_track_is_noted_from_its_first_look_to_its_last_with_its_heights() -> None:
    lookout = watched(*([Face(face(100.0 + 20.0 * step), 0.9)] for step in range(10)), *[[]] * 30)
    (sighting,) = lookout.sightings.values()
    assert sighting.voted
    assert sighting.last == face(280.0)
    assert sighting.ended_s == pytest.approx(0.9)
    assert set(sighting.heights_px) == {60.0}
    assert lookout.moving_s == pytest.approx([0.1] * len(lookout.moving_s))
    assert len(lookout.moving_s) >= 6
    assert lookout.doubtful == 0
    assert (lookout.frames, lookout.looks) == (40, 40)


def test_a_face_too_doubtful_to_count_is_noted_once() -> None:
    lookout = watched(*([Face(face(100.0), 0.5)] for _ in range(10)), *[[]] * 30)
    assert lookout.sightings == {}
    assert lookout.doubtful == 1


def test_a_single_false_detection_is_no_face() -> None:
    assert watched([Face(face(100.0), 0.5)], *[[]] * 30).doubtful == 0


def test_who_stands_still_says_nothing_about_the_frame_rate() -> None:
    assert watched(*([Face(face(100.0), 0.9)] for _ in range(10)), every_s=0.5).moving_s == []


# --- what is said at the end ------------------------------------------------------------------------------


def said(found: Comparison | None, scene: Scene = WELL) -> str:
    return "\n".join(lines(found, scene))


def test_the_report_has_both_counts_the_ratio_its_interval_and_what_each_saw_alone() -> None:
    presses = [10.0 * at for at in range(12)]
    told = said(compare(presses, [track.began_s for track in WELL.tracks], 300.0))
    assert "counted by hand       12" in told
    assert "counted by the agent  10" in told
    assert "ratio                 0.83   (95 %: 0." in told
    assert "within 3 s  10; by hand alone 2, by the agent alone 0" in told
    assert "These are few people" in told
    assert "more people are needed to know the ratio within 10 %" in told


def test_counts_that_agree_need_no_change_and_no_reason_is_made_up_where_they_differ() -> None:
    same = [track.began_s for track in WELL.tracks]
    assert "Nothing: the counts agree" in said(compare(same, same, 300.0))
    assert "doesn't say why" in said(compare([7.0 * at for at in range(40)], same, 300.0))


def test_nobody_counted_by_hand_is_nothing_to_compare() -> None:
    told = said(None, replace(WELL, looks_per_s=3.0))
    assert "nothing to compare" in told
    assert "3.0 times a second" in told
