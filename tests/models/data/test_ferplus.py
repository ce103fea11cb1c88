"""FER+ votes and portraits: what counts, as what, and for which split."""

from __future__ import annotations

import csv
import zipfile
from collections import Counter
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from agent.domain import LABELS
from agent.errors import ModelError
from models.data.ferplus import (
    NOT_A_FACE_INDEX,
    UNKNOWN_INDEX,
    VOTE_NAMES,
    in_protocol,
    majority,
    read_ferplus,
    resized,
    soft_targets,
)
from models.data.portraits import Portrait, identity, read_portraits, split_of, square_crop
from tests.support.places import DATA

if TYPE_CHECKING:
    from pathlib import Path

needs_data = pytest.mark.skipif(
    not (DATA / "ferplus_test.npz").exists(), reason="../shared/data is not beside the repository"
)

votes_strategy = hnp.arrays(np.uint8, (5, len(VOTE_NAMES)), elements=st.integers(0, 10))


def _votes(**counts: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    row = np.zeros((1, len(VOTE_NAMES)), np.uint8)
    for name, count in counts.items():
        row[0, VOTE_NAMES.index(name)] = count
    return row


@needs_data
def test_the_test_split_has_as_many_images_per_protocol_as_the_data_page_says() -> None:
    test = read_ferplus(DATA, "test")
    assert test.images.shape == (3574, 48, 48)
    assert in_protocol(test.votes, "classes8").sum() == 3546
    assert in_protocol(test.votes, "classes9").sum() == 3573


@needs_data
def test_no_portrait_identity_is_in_both_splits() -> None:
    with (DATA / "portraits.csv").open(newline="", encoding="utf-8") as file:
        names = [row["image"] for row in csv.DictReader(file)]
    people = {
        split: {identity(name) for name in names if split_of(name) == split} for split in ("train", "valid")
    }
    assert not people["train"] & people["valid"]
    share = sum(split_of(name) == "valid" for name in names) / len(names)
    assert 0.1 < share < 0.2


def test_votes_are_read_in_the_order_of_the_agents_labels() -> None:
    assert VOTE_NAMES[: len(LABELS)] == LABELS
    assert VOTE_NAMES[UNKNOWN_INDEX] == "unknown"
    assert VOTE_NAMES[NOT_A_FACE_INDEX] == "not_a_face"


def test_of_equal_counts_the_first_label_wins() -> None:
    assert majority(_votes(sadness=5, anger=5)).tolist() == [LABELS.index("sadness")]


@pytest.mark.parametrize(
    ("votes", "eight", "nine", "agreed"),
    [
        (_votes(fear=6, unknown=4), True, True, True),
        (_votes(unknown=6, fear=4), False, True, False),
        (_votes(not_a_face=6, fear=4), False, False, False),
        (_votes(fear=5, anger=5), True, True, False),
        (_votes(fear=5, anger=4, sadness=1), True, True, True),
    ],
    ids=["expression", "unknown", "not_a_face", "half", "half_but_for_a_slip"],
)
def test_protocols_leave_out_what_they_say(
    votes: np.ndarray[tuple[int, int], np.dtype[np.uint8]], *, eight: bool, nine: bool, agreed: bool
) -> None:
    assert in_protocol(votes, "classes8").tolist() == [eight]
    assert in_protocol(votes, "classes9").tolist() == [nine]
    assert in_protocol(votes, "agreed8").tolist() == [agreed]


def test_a_single_vote_is_taken_for_a_slip() -> None:
    target = soft_targets(_votes(happiness=6, neutral=3, anger=1))[0]
    assert target[LABELS.index("happiness")] == pytest.approx(6 / 9)
    assert target[LABELS.index("neutral")] == pytest.approx(3 / 9)
    assert target[LABELS.index("anger")] == 0.0


def test_single_votes_count_where_there_is_nothing_else() -> None:
    target = soft_targets(_votes(happiness=1, neutral=1, not_a_face=8))[0]
    assert target[LABELS.index("happiness")] == pytest.approx(0.5)


@settings(max_examples=60, deadline=None)
@given(votes_strategy)
def test_targets_of_usable_images_are_distributions_that_agree_with_the_majority(
    votes: np.ndarray[tuple[int, int], np.dtype[np.uint8]],
) -> None:
    usable = votes[in_protocol(votes, "classes9")]
    usable = usable[usable.sum(axis=1) > 0]
    targets = soft_targets(usable)
    assert np.allclose(targets.sum(axis=1), 1.0)
    assert (targets >= 0.0).all()
    assert (targets.argmax(axis=1) == majority(usable)).all()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"ferplus_valid\.npz"):
        read_ferplus(tmp_path, "valid")


def test_arrays_of_other_shapes_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "ferplus_train.npz", images=np.zeros((2, 24, 24), np.uint8), votes=np.zeros((2, 10)))
    with pytest.raises(ModelError, match="48, 48"):
        read_ferplus(tmp_path, "train")


@pytest.mark.parametrize(
    ("name", "person"),
    [
        ("Aaron_Peirsol_0003.jpg", "aaron_peirsol"),
        ("aaron_peirsol_0001.jpg", "aaron_peirsol"),
        ("Jean-Luc_12.png", "jean-luc"),
        ("someone.jpg", "someone"),
    ],
)
def test_the_running_number_is_no_part_of_an_identity(name: str, person: str) -> None:
    assert identity(name) == person


def _write_portraits(folder: Path, names: list[str], *, box: str = "10,20,40,60") -> None:
    picture = np.full((100, 80), 90, np.uint8)
    with zipfile.ZipFile(folder / "portraits.zip", "w") as archive:
        for name in names:
            archive.writestr(name, cv2.imencode(".jpg", picture)[1].tobytes())
    rows = "".join(f"{name},happiness,{box}\n" for name in names)
    (folder / "portraits.csv").write_text(f"image,emotion,x,y,w,h\n{rows}", encoding="utf-8")


def test_portraits_come_with_their_label_and_box(tmp_path: Path) -> None:
    names = [f"person{number}_0001.jpg" for number in range(30)]
    _write_portraits(tmp_path, names)
    train, valid = read_portraits(tmp_path, "train"), read_portraits(tmp_path, "valid")
    assert Counter(portrait.name for portrait in train + valid) == Counter(names)
    assert train[0].grey.shape == (100, 80)
    assert LABELS[train[0].label] == "happiness"
    assert train[0].box == (10.0, 20.0, 40.0, 60.0)


def test_portraits_without_a_face_box_are_left_out(tmp_path: Path) -> None:
    _write_portraits(tmp_path, ["a_1.jpg", "b_1.jpg"], box=",,,")
    assert read_portraits(tmp_path, "train") + read_portraits(tmp_path, "valid") == []


def test_a_broken_archive_is_an_error_that_names_the_folder(tmp_path: Path) -> None:
    _write_portraits(tmp_path, ["a_1.jpg"])
    (tmp_path / "portraits.zip").write_bytes(b"no archive")
    with pytest.raises(ModelError, match=tmp_path.name):
        read_portraits(tmp_path, "train")


def test_a_crop_is_centred_on_the_box_and_as_wide_as_asked() -> None:
    grey = np.zeros((100, 100), np.uint8)
    grey[30:70, 40:60] = 200
    portrait = Portrait("a_1.jpg", grey, 0, (40.0, 30.0, 20.0, 40.0))
    tight = square_crop(portrait, 40, 1.0)
    assert (tight[:, 10:30] == 200).all()
    assert (tight[:, :10] == 0).all()
    loose = square_crop(portrait, 40, 2.0)
    assert (loose[11:29, 16:24] > 150).all()
    assert (loose[:8] == 0).all()


def test_faces_are_enlarged_as_a_device_enlarges_them_and_left_alone_at_their_own_size() -> None:
    faces = np.random.default_rng(2).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    assert resized(faces, 48) is faces
    enlarged = resized(faces, 64)
    assert enlarged.shape == (3, 64, 64)
    assert (enlarged[1] == cv2.resize(faces[1], (64, 64), interpolation=cv2.INTER_LINEAR)).all()
