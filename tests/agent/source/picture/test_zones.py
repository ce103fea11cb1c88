"""Exclusion zones blacken what they cover and touch nothing else."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.source.picture.zones import ExclusionMask

RIGHT_HALF = ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))


def test_a_half_is_black_and_the_other_untouched() -> None:
    pixels = np.full((48, 64, 3), 99, np.uint8)
    ExclusionMask((RIGHT_HALF,)).apply(pixels)
    assert not pixels[:, 32:].any()
    assert (pixels[:, :32] == 99).all()


def test_the_whole_picture_can_be_excluded() -> None:
    pixels = np.full((37, 53, 3), 99, np.uint8)
    ExclusionMask((((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)),)).apply(pixels)
    assert not pixels.any()


def test_one_mask_serves_frames_of_any_size() -> None:
    mask = ExclusionMask((RIGHT_HALF,))
    for height, width in ((48, 64), (480, 640), (10, 10), (1, 1), (48, 64)):
        pixels = np.full((height, width, 3), 99, np.uint8)
        mask.apply(pixels)
        assert not pixels[:, (width + 1) // 2 :].any()


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(4, 80), st.integers(4, 80)),
    st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
    st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
)
def test_every_pixel_inside_a_triangle_is_black(
    size: tuple[int, int], xs: tuple[float, float, float], ys: tuple[float, float, float]
) -> None:
    """Checked against the sign test for triangles, one pixel inside the outline."""
    height, width = size
    pixels = np.full((height, width, 3), 255, np.uint8)
    ExclusionMask((tuple(zip(xs, ys, strict=True)),)).apply(pixels)
    column, row = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    px = np.array(xs) * width
    py = np.array(ys) * height
    distances = []
    for a, b in ((0, 1), (1, 2), (2, 0)):
        dx, dy = px[b] - px[a], py[b] - py[a]
        length = max(float(np.hypot(dx, dy)), 1e-9)
        distances.append(((column - px[a]) * dy - (row - py[a]) * dx) / length)
    inside = np.all(np.array(distances) > 1.5, axis=0) | np.all(np.array(distances) < -1.5, axis=0)
    assert not pixels[inside].any()
