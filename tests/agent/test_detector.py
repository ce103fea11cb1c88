"""The detector tells where in the frame the faces are, best first, whatever the frame's size."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from agent.detector import Detector
from agent.domain import EMOTIONS
from agent.errors import ModelError
from agent.settings import DetectorSettings
from tests.support.network_fixtures import SCENE, ScriptedNetwork, empty_maps, loaded, make_frame, put_face

SETTINGS = DetectorSettings(min_face_px=0.0)
SMALL_EMOTIONS = ("happiness", "neutral", "anger")


def detector_of(network: ScriptedNetwork, settings: DetectorSettings = SETTINGS) -> Detector:
    return Detector(loaded(network), settings)


def test_face_is_reported_in_frame_pixels() -> None:
    maps = empty_maps()
    put_face(maps[0], row=3, column=4, logits=[3.0], reach=1.0)
    detector = detector_of(ScriptedNetwork(SCENE, maps))
    # 128×96 is halved to 64×48 with 8 rows of grey above.
    (face,) = detector.detect(make_frame(np.zeros((96, 128, 3), np.uint8)))
    assert astuple(face.box) == pytest.approx((56, 24, 88, 56))
    assert face.score == pytest.approx(1 / (1 + np.exp(-3.0)))
    assert face.emotion_scores is None


def test_faces_come_best_first_and_overlapping_ones_once() -> None:
    maps = empty_maps()
    put_face(maps[0], 1, 1, [1.0], 1.0)
    put_face(maps[0], 6, 6, [4.0], 1.25)
    put_face(maps[1], 3, 3, [2.0], 0.6)
    faces = detector_of(ScriptedNetwork(SCENE, maps)).detect(make_frame(np.zeros((64, 64, 3), np.uint8)))
    assert [round(face.score, 2) for face in faces] == [0.98, 0.73]


def test_boxes_never_leave_the_frame() -> None:
    maps = empty_maps()
    for row in range(8):
        for column in range(8):
            put_face(maps[0], row, column, [2.0], 30.0)
    put_face(maps[2], 0, 0, [5.0], 1.9)
    for height, width in ((64, 64), (20, 64), (64, 9), (1, 1), (1080, 1920)):
        for face in detector_of(ScriptedNetwork(SCENE, maps)).detect(
            make_frame(np.zeros((height, width, 3), np.uint8)),
        ):
            assert 0 <= face.box.left < face.box.right <= width
            assert 0 <= face.box.top < face.box.bottom <= height


def test_face_in_the_padding_is_no_face() -> None:
    maps = empty_maps()
    put_face(maps[0], 0, 4, [5.0], 0.4)
    assert not detector_of(ScriptedNetwork(SCENE, maps)).detect(make_frame(np.zeros((16, 64, 3), np.uint8)))


def test_faces_lower_than_the_configured_height_are_ignored() -> None:
    maps = empty_maps()
    put_face(maps[0], 2, 2, [3.0], 0.7)
    put_face(maps[2], 1, 1, [3.0], 0.4)
    frame = make_frame(np.zeros((64, 64, 3), np.uint8))
    faces = detector_of(ScriptedNetwork(SCENE, maps), DetectorSettings(min_face_px=12.0)).detect(frame)
    assert [round(face.box.height, 1) for face in faces] == [25.6]


def test_number_of_faces_is_bounded() -> None:
    maps = empty_maps()
    for row in range(8):
        for column in range(8):
            put_face(maps[0], row, column, [1.0 + 0.01 * row], 0.4)
    settings = DetectorSettings(max_faces=5, min_face_px=0.0)
    faces = detector_of(ScriptedNetwork(SCENE, maps), settings).detect(
        make_frame(np.zeros((64, 64, 3), np.uint8)),
    )
    assert len(faces) == 5
    assert min(face.score for face in faces) == pytest.approx(1 / (1 + np.exp(-1.07)))


def test_empty_scene_and_empty_frame_have_no_faces() -> None:
    network = ScriptedNetwork(SCENE, empty_maps())
    detector = detector_of(network)
    assert not detector.detect(make_frame(np.zeros((64, 64, 3), np.uint8)))
    assert not detector.detect(make_frame(np.zeros((0, 0, 3), np.uint8)))
    assert len(network.seen) == 1


def test_single_stage_network_brings_probabilities_in_the_projects_order() -> None:
    maps = empty_maps(channels=7)
    put_face(maps[0], 3, 3, [0.0, 2.0, -2.0], 1.0)
    network = loaded(ScriptedNetwork(SCENE, maps), task="face_emotion", labels=SMALL_EMOTIONS)
    (face,) = Detector(network, SETTINGS).detect(make_frame(np.zeros((64, 64, 3), np.uint8)))
    assert face.emotion_scores is not None
    sigmoids = {"happiness": 0.5, "neutral": 1 / (1 + np.exp(-2.0)), "anger": 1 / (1 + np.exp(2.0))}
    total = sum(sigmoids.values())
    for emotion, probability in zip(EMOTIONS, face.emotion_scores, strict=True):
        assert probability == pytest.approx(sigmoids.get(emotion, 0.0) / total, abs=1e-5)
    assert face.score == pytest.approx(sigmoids["neutral"])


def test_a_single_stage_network_can_find_faces_and_nothing_else() -> None:
    maps = empty_maps(channels=7)
    put_face(maps[0], 3, 3, [0.0, 2.0, -2.0], 1.0)
    network = loaded(ScriptedNetwork(SCENE, maps), task="face_emotion", labels=SMALL_EMOTIONS)
    frame = make_frame(np.zeros((64, 64, 3), np.uint8))
    (face,) = Detector(network, SETTINGS, expressions=False).detect(frame)
    (told,) = Detector(network, SETTINGS).detect(frame)
    assert face.emotion_scores is None
    assert (face.box, face.score) == (told.box, told.score)


@pytest.mark.parametrize(
    ("task", "labels", "named"),
    [
        ("face", ("face", "hand"), "2 labels"),
        ("face_emotion", ("happy", "neutral"), "happy, neutral"),
        ("face_emotion", ("anger", "anger"), "anger, anger"),
        ("face_emotion", ("anger",), "anger"),
        ("emotion", ("face",), "models.detector"),
    ],
)
def test_labels_that_mean_nothing_here_are_refused(task: str, labels: tuple[str, ...], named: str) -> None:
    network = ScriptedNetwork(SCENE, empty_maps(channels=4 + len(labels)))
    with pytest.raises(ModelError, match=named):
        Detector(loaded(network, task=task, labels=labels), SETTINGS)


def test_unknown_outputs_are_refused_before_the_first_frame() -> None:
    network = ScriptedNetwork(SCENE, [np.zeros((1, 300, 6), np.float32)])
    with pytest.raises(ModelError, match="1x300x6"):
        detector_of(network)
