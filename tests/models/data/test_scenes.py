"""Reading photos and boxes from a data folder."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from agent.errors import ModelError
from models.data.scenes import read_close_ups, read_crowds, read_scenes
from tests.support.places import DATA

if TYPE_CHECKING:
    from pathlib import Path

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")

SCENE_BOXES = """image,kind,x,y,w,h,score_a,score_b
group.jpg,face,10,20,30,40,0.9,0.8
group.jpg,unsure,50,5,20,20,0.6,
dog.jpg,unsure,0,0,8,8,0.6,
dark.jpg,unsure,0,0,8,8,0.7,
dark.jpg,unsure,20,0,8,8,0.5,0.2
late.jpg,unsure,0,0,8,8,0.9,0.9
"""


def encoded(width: int, height: int) -> bytes:
    picture = np.full((height, width, 3), 90, np.uint8)
    return cv2.imencode(".jpg", picture)[1].tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four train scenes (one face, one doubtful box, nothing, two likely faces) and one valid scene."""
    (tmp_path / "scenes_images.csv").write_text(
        "image,split\ngroup.jpg,train\ndog.jpg,train\nroad.jpg,train\ndark.jpg,train\nlate.jpg,valid\n",
        encoding="utf-8",
    )
    (tmp_path / "scenes_boxes.csv").write_text(SCENE_BOXES, encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "scenes.zip", "w") as archive:
        for name in ("group.jpg", "dog.jpg", "road.jpg", "dark.jpg", "late.jpg"):
            archive.writestr(name, encoded(64, 64))
    return tmp_path


def test_split_holds_its_own_photos_only(folder: Path) -> None:
    names = ["group.jpg", "dog.jpg", "road.jpg", "dark.jpg"]
    assert [photo.name for photo in read_scenes(folder, "train")] == names
    assert [photo.name for photo in read_scenes(folder, "valid")] == ["late.jpg"]


def test_boxes_become_corners_clipped_to_the_photo(folder: Path) -> None:
    group = read_scenes(folder, "train")[0]
    assert group.pixels.shape == (64, 64, 3)
    assert group.faces.tolist() == [[10, 20, 40, 60]]
    assert group.ignored.tolist() == [[50, 5, 64, 25]]


def test_doubtful_boxes_are_ignored_unless_they_are_likely_faces_to_teach(folder: Path) -> None:
    _, dog, _, dark = read_scenes(folder, "train")
    assert (len(dog.faces), len(dog.ignored)) == (0, 1)
    assert (len(dark.faces), len(dark.ignored)) == (2, 0)


def test_what_is_judged_by_is_sure(folder: Path) -> None:
    (late,) = read_scenes(folder, "valid")
    assert (len(late.faces), len(late.ignored)) == (0, 1)


def test_photo_without_any_box_is_kept_as_background(folder: Path) -> None:
    road = read_scenes(folder, "train")[2]
    assert road.faces.shape == road.ignored.shape == (0, 4)


def test_unknown_split_names_the_known_ones(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"'test'.*train or valid"):
        read_scenes(folder, "test")


def test_missing_folder_says_how_to_point_at_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="--data"):
        read_crowds(tmp_path / "nowhere")


def test_archive_without_a_listed_photo_is_refused(folder: Path) -> None:
    with zipfile.ZipFile(folder / "scenes.zip", "w") as archive:
        archive.writestr("group.jpg", encoded(64, 64))
    with pytest.raises(ModelError, match=r"scenes\.zip"):
        read_scenes(folder, "train")


def test_broken_picture_is_named(folder: Path) -> None:
    with zipfile.ZipFile(folder / "scenes.zip", "w") as archive:
        for name in ("group.jpg", "dog.jpg", "road.jpg"):
            archive.writestr(name, b"no picture")
    with pytest.raises(ModelError, match=r"group\.jpg"):
        read_scenes(folder, "train")


@needs_data
def test_crowds_hold_what_the_data_folder_says() -> None:
    crowds = read_crowds(DATA)
    assert len(crowds) == 84
    assert sum(len(photo.faces) for photo in crowds) == 1666
    assert {photo.pixels.shape for photo in crowds} == {(416, 416, 3)}


@needs_data
def test_close_ups_have_one_face_inside_the_picture_and_no_valid_identity() -> None:
    close_ups = read_close_ups(DATA)
    assert 6000 < len(close_ups) < 8048
    for photo in close_ups:
        height, width = photo.pixels.shape[:2]
        assert photo.faces.shape == (1, 4)
        assert (photo.faces >= 0).all()
        assert (photo.faces <= [[width, height, width, height]]).all()
