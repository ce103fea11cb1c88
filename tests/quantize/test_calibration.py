"""Calibration images are real, pass through the device's preprocessing, and are always the same ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from agent.domain import Box
from agent.errors import ModelError
from agent.inference.bundle.manifest import InputSpec
from agent.inference.preprocess import Letterbox, crop_face
from quantize.calibration import (
    CalibrationReader,
    CalibrationSet,
    FaceCalibration,
    cropped,
    emotion_calibration,
    letterboxed,
)
from tests.support.network_fixtures import FACE, SCENE
from tests.support.places import DATA

if TYPE_CHECKING:
    from pathlib import Path

needs_data = pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} is not on this machine")


def frames(count: int) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (48, 80, 3), dtype=np.uint8) for _ in range(count)]


def test_frames_are_letterboxed_as_on_a_device() -> None:
    images = letterboxed(frames(3), SCENE)
    buffer = np.zeros(SCENE.shape, np.uint8)
    Letterbox(SCENE, buffer).fill(frames(3)[2])
    assert images.inputs.shape == (3, 64, 64, 3)
    assert (images.inputs[2] == buffer[0]).all()


def test_faces_are_cropped_as_on_a_device() -> None:
    picture = frames(1)[0][:, :, 0]
    box = Box(10, 5, 40, 45)
    images = cropped([(picture, box)], FACE, crop_scale=1.2)
    expected = np.zeros((48, 48), np.uint8)
    crop_face(picture, box, 1.2, expected)
    assert (images.inputs[0, :, :, 0] == expected).all()


def test_empty_set_is_an_error() -> None:
    with pytest.raises(ModelError, match="no calibration image"):
        letterboxed([], SCENE)
    with pytest.raises(ModelError, match="no calibration image"):
        cropped([], FACE, crop_scale=1.0)


def test_digest_stands_for_the_images() -> None:
    assert letterboxed(frames(3), SCENE).sha256 == letterboxed(frames(3), SCENE).sha256
    assert letterboxed(frames(3), SCENE).sha256 != letterboxed(frames(2), SCENE).sha256


def test_reader_hands_out_each_image_once_with_its_batch_axis() -> None:
    images = letterboxed(frames(5), SCENE)
    reader = CalibrationReader(images, "image")
    assert len(reader) == 5
    seen = []
    while (feed := reader.get_next()) is not None:
        assert feed["image"].shape == SCENE.shape
        seen.append(feed["image"][0])
    assert (np.stack(seen) == images.inputs).all()


def test_reader_reads_in_ranges_that_may_reach_over_the_end() -> None:
    images = CalibrationSet(np.arange(5)[:, None], "0" * 64)
    reader = CalibrationReader(images, "image")
    for start, expected in ((0, [0, 1]), (2, [2, 3]), (4, [4])):
        reader.set_range(start, start + 2)
        seen = []
        while (feed := reader.get_next()) is not None:
            seen.append(int(feed["image"][0, 0]))
        assert seen == expected


@pytest.mark.slow
@needs_data
def test_face_set_is_the_same_on_every_run() -> None:
    spec = InputSpec(height_px=96, width_px=96, colour="BGR")
    calibration = FaceCalibration(DATA)
    images = calibration.images(spec, count=9)
    assert images.inputs.shape == (9, 96, 96, 3)
    assert images.inputs.std(axis=(1, 2, 3)).min() > 5
    assert calibration.images(spec, count=9).sha256 == images.sha256


@pytest.mark.slow
@needs_data
def test_emotion_set_mixes_ferplus_and_portraits() -> None:
    images = emotion_calibration(DATA, FACE, crop_scale=1.2, count=8)
    assert images.inputs.shape == (8, 48, 48, 1)
    assert images.inputs.std(axis=(1, 2, 3)).min() > 5


def test_absent_data_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="data folder"):
        FaceCalibration(tmp_path)
