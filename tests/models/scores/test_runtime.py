"""Scores measured through the device's code are those of the boxes and labels it reports."""

from __future__ import annotations

import numpy as np
import pytest

from agent.domain import EMOTIONS, LABELS
from models.data.ferplus import FerPlus
from models.data.portraits import Portrait
from models.data.scenes import LabelledPhoto
from models.scores.runtime import run_times_ms, score_emotion, score_faces, score_portraits
from tests.support.network_fixtures import FACE, SCENE, ScriptedNetwork, empty_maps, loaded, put_face

NO_BOXES = np.zeros((0, 4), np.float32)


def photo(
    faces: list[list[float]], ignored: list[list[float]] | None = None, side: int = 128
) -> LabelledPhoto:
    return LabelledPhoto(
        "photo",
        np.zeros((side, side, 3), np.uint8),
        np.array(faces, np.float32).reshape(-1, 4),
        np.array(ignored or [], np.float32).reshape(-1, 4),
    )


def one_face() -> ScriptedNetwork:
    """Sees a face at 20…36 × 20…36 of 64 network pixels."""
    maps = empty_maps()
    put_face(maps[0], row=3, column=3, logits=[3.0], reach=1.0)
    return ScriptedNetwork(SCENE, maps)


def test_detector_that_is_right_scores_one_at_the_heights_that_its_faces_have() -> None:
    # 128 px photos are halved, so the face is 16 px high at the network's input.
    scores = score_faces(loaded(one_face()), [photo([[40, 40, 72, 72]])])
    assert (scores["8"], scores["12"], scores["16"]) == (1.0, 1.0, 1.0)
    assert np.isnan(scores["24"])


def test_missed_and_invented_faces_lower_the_score() -> None:
    missed = score_faces(loaded(one_face()), [photo([[40, 40, 72, 72], [90, 90, 126, 126]])])
    assert missed["8"] == pytest.approx(0.5)
    invented = score_faces(loaded(one_face()), [photo([[90, 90, 126, 126]])])
    assert invented["8"] == 0.0


def test_detection_over_an_ignored_region_counts_neither_way() -> None:
    photos = [photo([[40, 40, 72, 72]]), photo([], [[30, 30, 80, 80]])]
    assert score_faces(loaded(one_face()), photos)["16"] == 1.0


def classifier(label: str) -> ScriptedNetwork:
    logits = np.full((1, len(LABELS)), -2.0, np.float32)
    logits[0, LABELS.index(label)] = 4.0
    return ScriptedNetwork(FACE, [logits])


def test_emotion_scores_are_those_of_the_networks_answers() -> None:
    votes = np.zeros((4, 10), np.uint8)
    votes[:3, LABELS.index("happiness")] = 10
    votes[3, LABELS.index("anger")] = 10
    faces = FerPlus(np.zeros((4, 48, 48), np.uint8), votes)
    network = loaded(classifier("happiness"), task="emotion", labels=LABELS, head="logits")
    assert score_emotion(network, faces).accuracy8 == pytest.approx(0.75)


def test_ferplus_face_reaches_the_network_unchanged() -> None:
    images = np.random.default_rng(0).integers(0, 256, (1, 48, 48), dtype=np.uint8)
    votes = np.zeros((1, 10), np.uint8)
    votes[0, 0] = 10
    scripted = classifier("neutral")
    score_emotion(loaded(scripted, task="emotion", labels=LABELS, head="logits"), FerPlus(images, votes))
    assert (scripted.seen[-1][0, :, :, 0] == images[0]).all()


def test_portraits_are_judged_end_to_end_per_emotion() -> None:
    happy, sad = EMOTIONS.index("happiness"), EMOTIONS.index("sadness")
    grey = np.zeros((128, 128), np.uint8)
    portraits = [
        Portrait(f"{i}.jpg", grey, label, (40, 40, 32, 32)) for i, label in enumerate((happy, happy, sad))
    ]
    network = loaded(classifier("happiness"), task="emotion", labels=LABELS, head="logits")
    scores = score_portraits(loaded(one_face()), network, portraits)
    assert scores.found_share == 1.0
    assert scores.accuracy == {"happiness": 1.0, "sadness": 0.0}
    assert scores.accuracy_all == pytest.approx(2 / 3)


def test_portraits_without_a_found_face_are_counted_as_such() -> None:
    grey = np.zeros((128, 128), np.uint8)
    network = loaded(classifier("happiness"), task="emotion", labels=LABELS, head="logits")
    blind = loaded(ScriptedNetwork(SCENE, empty_maps()))
    scores = score_portraits(blind, network, [Portrait("a.jpg", grey, 1, (40, 40, 32, 32))])
    assert (scores.portraits, scores.found_share, scores.accuracy) == (1, 0.0, {})


def test_box_beside_the_face_is_not_the_face() -> None:
    grey = np.zeros((128, 128), np.uint8)
    network = loaded(classifier("happiness"), task="emotion", labels=LABELS, head="logits")
    portraits = [Portrait("a.jpg", grey, 1, (0, 0, 128, 128)), Portrait("b.jpg", grey, 1, (40, 40, 32, 32))]
    assert score_portraits(loaded(one_face()), network, portraits).found_share == 0.5


def test_networks_are_timed_in_turns() -> None:
    first, second = one_face(), one_face()
    times = run_times_ms([loaded(first), loaded(second)], rounds=7)
    assert len(times) == 2
    assert len(first.seen) == len(second.seen) == 7
