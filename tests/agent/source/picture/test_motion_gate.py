"""A still scene costs few detections, and nothing that moves waits longer than the set time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.source.picture.motion_gate import HOLD_S, IDLE_LOOK_S, MotionGate
from agent.source.picture.thumbnail import MOST_COLUMNS, MOST_ROWS, averaged, thumbnail
from agent.source.rest import Rest

if TYPE_CHECKING:
    from numpy.typing import NDArray

BOUND_S = 0.5
HEIGHT_PX, WIDTH_PX = 240, 320
_NOISE = np.random.default_rng(1).normal(0.0, 1.0, (HEIGHT_PX + 64, WIDTH_PX + 64, 3)).astype(np.float32)
_ROOM = np.random.default_rng(2).integers(40, 200, (12, 16, 3)).repeat(20, 0).repeat(20, 1).astype(np.float32)


def empty_room(number: int, sigma: float = 3.0) -> NDArray[np.uint8]:
    """A room of coloured tiles through a noisy sensor."""
    down, right = (number * 7) % 64, (number * 13) % 64
    field = _NOISE[down : down + HEIGHT_PX, right : right + WIDTH_PX]
    return np.clip(_ROOM + sigma * field, 0, 255).astype(np.uint8)


def admitted(frames: list[NDArray[np.uint8]], fps: float) -> list[float]:
    """Times of the frames that were let through."""
    gate = MotionGate(BOUND_S)
    return [number / fps for number, pixels in enumerate(frames) if gate.admits(pixels, number / fps)]


@pytest.mark.parametrize("sigma", [0.0, 1.0, 3.0, 8.0])
@pytest.mark.parametrize("fps", [10.0, 15.0, 30.0])
def test_an_empty_room_is_looked_at_seldom_but_never_too_seldom(sigma: float, fps: float) -> None:
    frames = [empty_room(number, sigma) for number in range(int(10 * fps))]
    times_s = admitted(frames, fps)
    gaps_s = np.diff(times_s)
    assert gaps_s.max() <= BOUND_S + 1e-9
    settled = [at_s for at_s in times_s if at_s > HOLD_S + 1.0]
    assert len(settled) <= math.ceil((10.0 - HOLD_S - 1.0) / (BOUND_S - 1.0 / fps)) + 1


def handed_in(frames: list[NDArray[np.uint8]], fps: float, bound_s: float) -> tuple[list[float], list[float]]:
    """Times of the frames that a camera hands in which rests as it may, and of those let through."""
    gate, rest = MotionGate(bound_s), Rest()
    seen_s, admitted_s = [], []
    for number, pixels in enumerate(frames):
        at_s = number / fps
        if rest.covers(at_s):
            continue
        seen_s.append(at_s)
        if gate.admits(pixels, at_s):
            admitted_s.append(at_s)
        rest.until(gate.rests_until_s)
    return seen_s, admitted_s


@pytest.mark.parametrize("fps", [5.0, 10.0, 15.0, 25.0, 30.0, 60.0])
def test_a_camera_that_rests_lets_the_same_frames_through_as_one_that_does_not(fps: float) -> None:
    frames = [empty_room(number) for number in range(int(8 * fps))]
    for number in range(int(5 * fps), int(5.5 * fps)):
        frames[number][100:140, 100:140] = number % 200
    assert handed_in(frames, fps, BOUND_S)[1] == admitted(frames, fps)


@pytest.mark.parametrize("bound_s", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("fps", [10.0, 15.0, 30.0])
def test_of_a_still_scene_few_frames_are_ever_decoded(fps: float, bound_s: float) -> None:
    """Those of the even steps: one in half a second, or in the bound where that is shorter."""
    seen_s, admitted_s = handed_in([empty_room(number) for number in range(int(20 * fps))], fps, bound_s)
    steps_s = np.diff([at_s for at_s in seen_s if at_s > HOLD_S])
    step_s = bound_s / math.ceil(bound_s / IDLE_LOOK_S)
    assert steps_s.max() <= max(step_s, 1.0 / fps) + 1.0 / fps
    assert steps_s.mean() >= step_s - 1.25 / fps
    assert np.diff(admitted_s).max() <= max(bound_s, 1.0 / fps) + 1e-9


@pytest.mark.parametrize("entered", range(45, 53))
def test_a_face_that_stays_is_noticed_within_the_bound_though_the_camera_rests(entered: int) -> None:
    """At whatever point of the rest it enters, and though it is too faint to count as a movement."""
    frames = [empty_room(number, sigma=8.0) for number in range(75)]
    for pixels in frames[entered:]:
        pixels[100:112, 100:112] //= 2
    _, admitted_s = handed_in(frames, 15.0, BOUND_S)
    assert min(at_s for at_s in admitted_s if at_s >= entered / 15.0) - entered / 15.0 <= BOUND_S


@pytest.mark.parametrize("size_px", [10, 16, 40])
@pytest.mark.parametrize("speed_px", [2, 8])
def test_a_face_that_enters_is_looked_at_frame_by_frame(size_px: int, speed_px: int) -> None:
    fps = 15.0
    frames = [empty_room(number) for number in range(75)]
    for number in range(45, 75):
        left = (number - 45) * speed_px
        frames[number][100 : 100 + size_px, left : left + size_px] = (150, 180, 230)
    times_s = admitted(frames, fps)
    entered_s = 45 / fps
    noticed_s = min(at_s for at_s in times_s if at_s >= entered_s)
    assert noticed_s - entered_s <= BOUND_S
    assert len([at_s for at_s in times_s if at_s >= entered_s]) >= 25


def test_a_person_who_pauses_is_still_followed_for_a_while() -> None:
    fps = 10.0
    frames = [empty_room(number) for number in range(60)]
    for number in range(30, 60):
        left = min(number - 30, 3) * 20
        frames[number][100:140, left : left + 40] = (150, 180, 230)
    times_s = admitted(frames, fps)
    assert len([at_s for at_s in times_s if 3.0 <= at_s < 3.3 + HOLD_S]) >= 12


def test_a_light_that_is_switched_counts_as_movement() -> None:
    frames = [empty_room(number) for number in range(30)]
    frames += [(empty_room(number) * 0.5).astype(np.uint8) for number in range(5)]
    assert 3.0 in admitted(frames, 10.0)


def test_another_frame_size_is_looked_at() -> None:
    gate = MotionGate(BOUND_S)
    for number in range(30):
        gate.admits(empty_room(number), number / 10.0)
    assert gate.admits(empty_room(0)[:200], 3.01)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(0.01, 0.4), min_size=5, max_size=40), st.lists(st.booleans(), min_size=40, max_size=40)
)
def test_the_first_frame_after_the_set_time_is_always_let_through(
    gaps_s: list[float], moving: list[bool]
) -> None:
    """Whatever the rhythm of the frames; only a frame that comes late can be looked at late."""
    gate = MotionGate(BOUND_S)
    at_s = admitted_at_s = 0.0
    for number, gap_s in enumerate(gaps_s):
        at_s += gap_s
        pixels = empty_room(number)
        if moving[number]:
            pixels[50:90, 50:90] = number * 6
        if gate.admits(pixels, at_s):
            admitted_at_s = at_s
        assert at_s - admitted_at_s <= BOUND_S


@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (61, 81), (480, 640), (4320, 7680), (7, 5000)])
def test_a_thumbnail_is_small_whatever_the_frame(shape: tuple[int, int]) -> None:
    pixels = np.zeros((*shape, 3), np.uint8)
    rows, columns = thumbnail(pixels).shape
    assert 1 <= rows <= MOST_ROWS
    assert 1 <= columns <= MOST_COLUMNS
    assert averaged(pixels).shape == (MOST_ROWS, MOST_COLUMNS)


def test_averaging_takes_most_of_the_noise_away() -> None:
    noise = np.random.default_rng(1).normal(128.0, 20.0, (480, 640, 3)).clip(0, 255).astype(np.uint8)
    assert float(averaged(noise).std()) < 6.0


def test_a_thumbnail_is_no_view_of_the_frame() -> None:
    pixels = np.zeros((48, 64, 3), np.uint8)
    sample = thumbnail(pixels)
    pixels[:] = 9
    assert not sample.any()
