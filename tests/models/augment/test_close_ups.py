"""Pictures of one large face keep the box on the face, and teach nothing false about what lies behind."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.augment.close_ups import FACE_SHARE, close_up, contact_sheet
from models.augment.warp import Composition, as_source
from models.data.scenes import LabelledPhoto

SIZE_PX = 256
NO_BOXES = np.zeros((0, 4), np.float32)
FACE = (30, 20, 110, 130)


def portrait() -> LabelledPhoto:
    """A dark photo with a bright face."""
    pixels = np.full((160, 140, 3), 20, np.uint8)
    pixels[FACE[1] : FACE[3], FACE[0] : FACE[2]] = 255
    return LabelledPhoto("portrait", pixels, np.array([FACE], np.float32), NO_BOXES)


SOURCE = as_source(portrait())


def behind(faces: np.ndarray = NO_BOXES) -> Composition:
    pixels = np.full((SIZE_PX, SIZE_PX, 3), 60, np.uint8)
    return Composition(pixels, faces, np.arange(1, len(faces) + 1, dtype=np.int32), NO_BOXES)


def drawn(seed: int, below: Composition) -> Composition:
    return close_up(np.random.default_rng(seed), SOURCE, below, 5.0)


seeds = st.integers(0, 2**32 - 1)


@given(seeds)
def test_the_box_is_where_the_bright_face_is(seed: int) -> None:
    picture = drawn(seed, behind())
    assert len(picture.faces) + len(picture.ignored) == 1
    left, top, right, bottom = np.concatenate((picture.faces, picture.ignored))[0]
    assert 0 <= left < right <= SIZE_PX
    assert 0 <= top < bottom <= SIZE_PX
    # Tints leave the face far brighter than the rest; the middle of a box is face whatever the tilt.
    middle = picture.pixels[int((top + bottom) / 2), int((left + right) / 2)]
    assert middle.max() > 150


def test_faces_of_all_announced_heights_are_taught() -> None:
    heights = [
        float(picture.faces[0, 3] - picture.faces[0, 1]) / SIZE_PX
        for picture in (drawn(seed, behind()) for seed in range(300))
        if len(picture.faces)
    ]
    assert min(heights) < 1.5 * FACE_SHARE[0]
    assert sum(height > 0.8 for height in heights) > 60


def test_faces_behind_are_kept_ignored_or_forgotten_as_they_are_covered() -> None:
    """A face in the far corner stays taught unless it was painted over; none is ever both."""
    corner = np.array([[2, 2, 12, 14]], np.float32)
    centre = np.array([[118, 118, 138, 138]], np.float32)
    kept = {"corner": 0, "centre": 0}
    for seed in range(200):
        picture = drawn(seed, behind(np.concatenate((corner, centre))))
        taught = {tuple(box) for box in picture.faces.tolist()}
        ignored = {tuple(box) for box in picture.ignored.tolist()}
        assert not taught & ignored
        kept["corner"] += tuple(corner[0].tolist()) in taught
        kept["centre"] += tuple(centre[0].tolist()) in taught
    assert kept["corner"] > 10
    assert kept["corner"] > 3 * kept["centre"]


def test_the_photo_itself_is_not_altered() -> None:
    before = SOURCE.levels[0].copy()
    drawn(1, behind())
    assert np.array_equal(SOURCE.levels[0], before)


@given(seed=st.integers(0, 2**16), side=st.integers(1, 5))
def test_a_contact_sheet_teaches_or_ignores_every_face_once(seed: int, side: int) -> None:
    sheet = contact_sheet(np.random.default_rng(seed), [SOURCE] * side**2, 256, 5.0)
    assert sheet.pixels.shape == (256, 256, 3)
    assert len(sheet.faces) == len(sheet.tags)
    assert len(sheet.faces) + len(sheet.ignored) == side**2
    assert (sheet.faces[:, :2] < sheet.faces[:, 2:]).all()
    # Each box lies in the cell of its face: no two of them overlap by more than a rounded edge.
    centres = (sheet.faces[:, :2] + sheet.faces[:, 2:]) / 2
    cells = {tuple((centre // (256 / side)).astype(int)) for centre in centres}
    assert len(cells) == len(sheet.faces)
