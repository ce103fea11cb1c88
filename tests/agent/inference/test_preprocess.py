"""Frames and faces arrive in a network's input where, and as, they should."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.domain import Box
from agent.inference.bundle.manifest import InputSpec
from agent.inference.preprocess import PAD_VALUE, InputImage, Letterbox, crop_face, plan_letterbox

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agent.inference.preprocess import LetterboxPlan

SQUARE = InputSpec(height_px=320, width_px=320, colour="BGR")
ANY_SIDE = st.integers(1, 8192)


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def to_network(plan: LetterboxPlan, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """The other way round from ``plan.to_frame``."""
    scale = np.array((plan.scale_x, plan.scale_y) * 2, np.float32)
    return boxes * scale + np.array((plan.left_px, plan.top_px) * 2, np.float32)


@given(ANY_SIDE, ANY_SIDE, st.sampled_from([(320, 320), (224, 224), (384, 640)]), st.data())
def test_box_mapped_into_network_and_back_moves_less_than_a_pixel(
    height: int, width: int, input_hw: tuple[int, int], data: st.DataObject
) -> None:
    plan = plan_letterbox((height, width), input_hw)
    shares = data.draw(st.tuples(*[st.floats(0.0, 1.0)] * 4))
    box = np.array([shares], np.float32) * np.array((width, height, width, height), np.float32)
    there = to_network(plan, box)
    back = plan.to_frame(there)
    assert np.isfinite(there).all()
    assert np.abs(back - box).max() < 1.0


@given(ANY_SIDE, ANY_SIDE)
def test_frame_fills_input_in_one_direction_and_stays_inside(height: int, width: int) -> None:
    plan = plan_letterbox((height, width), (320, 320))
    assert max(plan.width_px, plan.height_px) == 320
    assert plan.left_px >= 0
    assert plan.top_px >= 0
    assert plan.left_px + plan.width_px <= 320
    assert plan.top_px + plan.height_px <= 320


@pytest.mark.parametrize(
    ("height", "width"),
    [(480, 640), (640, 480), (1, 1), (1, 999), (777, 1), (333, 517), (320, 320), (4320, 7680)],
)
def test_frames_of_all_sizes_land_in_the_same_buffer_with_grey_around(height: int, width: int) -> None:
    buffer = np.zeros(SQUARE.shape, np.uint8)
    letterbox = Letterbox(SQUARE, buffer)
    white = np.full((height, width, 3), 255, np.uint8)
    plan = letterbox.fill(white)
    inside = np.zeros((320, 320), bool)
    inside[plan.top_px : plan.top_px + plan.height_px, plan.left_px : plan.left_px + plan.width_px] = True
    assert (buffer[0][inside] == 255).all()
    assert (buffer[0][~inside] == PAD_VALUE).all()


def test_frame_of_another_size_leaves_no_ghost_of_the_one_before() -> None:
    buffer = np.zeros(SQUARE.shape, np.uint8)
    reused, fresh_buffer = Letterbox(SQUARE, buffer), np.zeros(SQUARE.shape, np.uint8)
    landscape, portrait = noise(480, 640), noise(640, 360, seed=1)
    reused.fill(landscape)
    reused.fill(portrait)
    Letterbox(SQUARE, fresh_buffer).fill(portrait)
    assert (buffer == fresh_buffer).all()


@pytest.mark.parametrize("view", ["flipped", "strided", "cut", "fortran"])
def test_frames_that_are_views_give_what_their_copies_give(view: str) -> None:
    base = noise(480, 640)
    frame = {
        "flipped": base[:, ::-1],
        "strided": base[::2, ::3],
        "cut": base[13:401, 7:639],
        "fortran": np.asfortranarray(base),
    }[view]
    from_view, from_copy = np.zeros(SQUARE.shape, np.uint8), np.zeros(SQUARE.shape, np.uint8)
    Letterbox(SQUARE, from_view).fill(frame)
    Letterbox(SQUARE, from_copy).fill(frame.copy())
    assert (from_view == from_copy).all()


def test_plan_says_where_a_pixel_went() -> None:
    frame = np.zeros((480, 640, 3), np.uint8)
    frame[100:200, 300:460] = 255
    buffer = np.zeros(SQUARE.shape, np.uint8)
    plan = Letterbox(SQUARE, buffer).fill(frame)
    left, top, right, bottom = to_network(plan, np.array([[300, 100, 460, 200]], np.float32))[0]
    rows, columns = np.nonzero(buffer[0, :, :, 0] == 255)
    assert (columns.min(), columns.max() + 1) == (round(left), round(right))
    assert (rows.min(), rows.max() + 1) == (round(top), round(bottom))


def test_frame_without_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="0x480"):
        Letterbox(SQUARE, np.zeros(SQUARE.shape, np.uint8)).fill(np.zeros((480, 0, 3), np.uint8))


@pytest.mark.parametrize("colour", ["BGR", "RGB"])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize(("dtype", "scale"), [("uint8", 1.0), ("float32", 1 / 255), ("float32", 1.0)])
def test_users_input_format_holds_the_same_picture(
    colour: str, layout: str, dtype: str, scale: float
) -> None:
    spec = InputSpec.model_validate(
        {
            "height_px": 64, "width_px": 96,
            "colour": colour, "layout": layout, "dtype": dtype, "scale": scale,
        },
    )  # fmt: skip
    buffer = np.zeros(spec.shape, spec.dtype)
    frame = noise(64, 96)
    Letterbox(spec, buffer).fill(frame)
    expected = frame[:, :, ::-1] if colour == "RGB" else frame
    picture = buffer[0] if layout == "NHWC" else buffer[0].transpose(1, 2, 0)
    factor = scale if dtype == "float32" else 1.0
    assert np.allclose(picture, expected.astype(np.float64) * factor, atol=1e-4)


def test_face_that_is_the_whole_picture_is_copied_unchanged() -> None:
    grey = noise(48, 48)[:, :, 0]
    out = np.zeros((48, 48), np.uint8)
    crop_face(grey, Box(0, 0, 48, 48), 1.0, out)
    assert (out == grey).all()


def test_crop_is_a_square_around_the_longer_side_in_grey() -> None:
    frame = noise(200, 300)
    out = np.zeros((48, 48), np.uint8)
    crop_face(frame, Box(100, 40, 120, 88), 2.0, out)
    square = cv2.cvtColor(frame[16:112, 62:158], cv2.COLOR_BGR2GRAY)
    assert (out == cv2.resize(square, (48, 48), interpolation=cv2.INTER_AREA)).all()


def test_crop_over_the_border_repeats_the_nearest_pixels() -> None:
    frame = np.zeros((100, 100, 3), np.uint8)
    frame[:, 0] = 200
    out = np.zeros((48, 48), np.uint8)
    crop_face(frame, Box(-24, 26, 24, 74), 1.0, out)
    assert (out[:, :25] == 200).all()
    assert (out[:, 26:] == 0).all()


@settings(max_examples=150)
@given(
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.tuples(*[st.floats(-500.0, 800.0)] * 4),
    st.floats(0.51, 2.9),
    st.sampled_from([8, 48, 64]),
)
def test_no_box_however_placed_leaves_a_pixel_of_the_crop_unset(
    frame_hw: tuple[int, int], corners: tuple[float, ...], crop_scale: float, size: int
) -> None:
    frame = np.full((*frame_hw, 3), 77, np.uint8)
    box = Box(min(corners[::2]), min(corners[1::2]), max(corners[::2]), max(corners[1::2]))
    grey, colour = np.zeros((size, size), np.uint8), np.zeros((size, size, 3), np.uint8)
    crop_face(frame, box, crop_scale, grey)
    crop_face(frame, box, crop_scale, colour)
    assert (grey == 77).all()
    assert (colour == 77).all()


def test_grey_input_shares_memory_with_the_picture() -> None:
    spec = InputSpec(height_px=48, width_px=48, colour="GREY")
    buffer = np.zeros(spec.shape, np.uint8)
    image = InputImage(spec, buffer)
    image.pixels[3, 4] = 9
    image.commit()
    assert buffer[0, 3, 4, 0] == 9
