"""The tracker follows each face through its whole life, by position and time alone."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.domain import Box, Face, Track
from agent.settings import TrackerSettings
from agent.tracker.by_position import PositionTracker
from agent.tracker.linking import REMEMBERED_S


def face(x: float, y: float = 100.0, size: float = 40.0, score: float = 0.9) -> Face:
    """A square face with its centre at (x, y)."""
    half = size / 2.0
    return Face(Box(x - half, y - half, x + half, y + half), score)


PICTURE_PX = (10_000, 2_000)
"""So wide that nobody is at an edge unless a test wants it."""


class Following:
    """A tracker of pictures of one size."""

    def __init__(
        self,
        confirm_ms: float = 200.0,
        max_coast_ms: float = 500.0,
        picture_px: tuple[int, int] = PICTURE_PX,
        confirm_hits: int = 2,
    ) -> None:
        settings = TrackerSettings(
            confirm_ms=confirm_ms, confirm_hits=confirm_hits, max_coast_ms=max_coast_ms
        )
        self._tracker = PositionTracker(settings)
        self._picture_px = picture_px

    def update(self, faces: list[Face], now_s: float) -> list[Track]:
        return self._tracker.update(faces, self._picture_px, now_s)

    def coast(self, now_s: float) -> list[Track]:
        return self._tracker.coast(now_s)


def walk(followed: Following, positions: Callable[[float], list[Face]], times_s: list[float]) -> set[int]:
    """Numbers of everybody who was observed on the way."""
    return {
        track.track_id
        for now_s in times_s
        for track in followed.update(positions(now_s), now_s)
        if track.observed
    }


def moments(start_s: float, end_s: float, fps: float = 10.0) -> list[float]:
    """Times of frames."""
    return [start_s + index / fps for index in range(round((end_s - start_s) * fps))]


def centre_x(track: Track) -> float:
    return (track.box.left + track.box.right) / 2.0


def ids(tracks: list[Track]) -> list[int]:
    return [track.track_id for track in tracks]


# --- one life, step by step -------------------------------------------------------------------------------


def test_a_face_counts_once_it_was_followed_long_enough_and_keeps_its_number() -> None:
    followed = Following(confirm_ms=200.0)
    assert followed.update([face(100)], 0.0) == []
    assert followed.update([face(101)], 0.1) == []
    (confirmed,) = followed.update([face(102)], 0.2)
    assert (confirmed.track_id, confirmed.observed, confirmed.box) == (1, True, face(102).box)
    assert ids(followed.update([face(103)], 0.3)) == [1]


@pytest.mark.parametrize("confirm_hits", [1, 2, 3])
def test_so_many_sights_make_a_person_however_short_the_time_that_is_asked_for(confirm_hits: int) -> None:
    followed = Following(confirm_ms=0.0, confirm_hits=confirm_hits)
    seen = [ids(followed.update([face(100)], 0.1 * look)) for look in range(confirm_hits)]
    assert seen == [[]] * (confirm_hits - 1) + [[1]]


@pytest.mark.parametrize("fps", [3.0, 15.0, 60.0])
def test_how_long_a_face_must_be_followed_does_not_depend_on_the_frame_rate(fps: float) -> None:
    followed = Following(confirm_ms=300.0)
    counted_s = next(now_s for now_s in moments(0.0, 3.0, fps) if followed.update([face(100)], now_s))
    assert 0.3 - 1e-6 <= counted_s < 0.3 + 1.0 / fps


def test_a_missed_face_coasts_at_its_speed_and_is_no_longer_told_in_time() -> None:
    followed = Following(max_coast_ms=500.0)
    for now_s in moments(0.0, 2.0):
        followed.update([face(100 + 100 * now_s)], now_s)
    (coasting,) = followed.update([], 2.0)
    assert not coasting.observed
    assert centre_x(coasting) == pytest.approx(300.0, abs=2.0)
    assert ids(followed.update([], 2.4)) == [1]
    assert followed.update([], 2.41) == []


def test_a_face_that_returns_where_it_was_keeps_its_number_though_it_was_given_up() -> None:
    """Somebody looked away for three seconds, or a passer-by hid them."""
    followed = Following()
    before = walk(followed, lambda _: [face(500)], moments(0.0, 2.0))
    nobody = walk(followed, lambda _: [], moments(2.0, 5.0))
    after = walk(followed, lambda _: [face(503)], moments(5.0, 7.0))
    assert (before, nobody, after) == ({1}, set(), {1})


def test_a_face_that_walks_on_behind_a_pillar_keeps_its_number() -> None:
    followed = Following()
    walker = lambda now_s: [] if 2.0 <= now_s < 3.5 else [face(300 + 120 * now_s)]  # noqa: E731
    assert walk(followed, walker, moments(0.0, 6.0)) == {1}


def test_a_face_that_returns_too_late_is_somebody_new() -> None:
    followed = Following()
    walk(followed, lambda _: [face(500)], moments(0.0, 1.0))
    walk(followed, lambda _: [], moments(1.0, 2.0))
    assert walk(followed, lambda _: [face(500)], moments(12.0, 13.0)) == {2}


def test_two_who_are_seen_at_the_same_time_never_share_a_number() -> None:
    """The second stands where the first would have been hidden."""
    followed = Following()
    walk(followed, lambda _: [face(500)], moments(0.0, 1.0))
    walk(followed, lambda _: [], moments(1.0, 2.0))
    assert walk(followed, lambda _: [face(500), face(560)], moments(2.0, 3.0)) == {1, 2}


def test_without_coasting_a_missed_face_is_gone_at_once() -> None:
    followed = Following(max_coast_ms=0.0)
    walk(followed, lambda _: [face(100)], moments(0.0, 1.0))
    assert followed.update([], 1.0) == []


def test_frames_without_detection_move_the_track_but_do_not_end_it() -> None:
    """The detector runs on every fifth frame only; between, the track is predicted."""
    followed = Following()
    for frame in range(60):
        now_s = frame / 15.0
        x = 100.0 + 80.0 * now_s
        tracks = followed.update([face(x)], now_s) if frame % 5 == 0 else followed.coast(now_s)
        if frame >= 20:
            assert ids(tracks) == [1]
            assert tracks[0].observed, "not looked for is not missed"
            assert centre_x(tracks[0]) == pytest.approx(x, abs=4.0)


def test_coasting_alone_ends_after_the_configured_time() -> None:
    followed = Following(max_coast_ms=1_000.0)
    walk(followed, lambda _: [face(100)], moments(0.0, 1.0))
    assert ids(followed.coast(1.9)) == [1]
    assert followed.coast(1.91) == []


def test_a_detector_slower_than_the_coasting_time_still_follows() -> None:
    """A track is not given up before a detector run had the chance to find it again."""
    followed = Following(max_coast_ms=500.0)
    for look in range(3):
        tracks = followed.update([face(100)], look * 1.5)
    assert ids(tracks) == [1]


def test_after_a_long_silence_of_the_camera_everybody_is_new() -> None:
    followed = Following()
    walk(followed, lambda _: [face(100)], moments(0.0, 1.0))
    assert walk(followed, lambda _: [face(100)], moments(60.0, 61.0)) == {2}


def test_a_ghost_in_single_frames_never_counts() -> None:
    followed = Following()
    for frame in range(60):
        faces = [face(100)] if frame % 15 == 0 else []
        assert followed.update(faces, frame / 30.0) == []


def test_a_doubtful_thing_never_counts_however_long_it_stays() -> None:
    followed = Following()
    assert not any(followed.update([face(100.0, score=0.69)], 0.1 * frame) for frame in range(200))


def test_a_face_seen_well_is_followed_through_weaker_detections() -> None:
    followed = Following()
    for frame in range(3):
        tracks = followed.update([face(100.0, score=0.8)], 0.1 * frame)
    for frame in range(3, 60):
        tracks = followed.update([face(100.0, score=0.41)], 0.1 * frame)
    assert ids(tracks) == [1]
    assert tracks[0].observed


def test_a_weak_detection_yields_to_a_strong_one() -> None:
    followed = Following()
    walk(followed, lambda _: [face(100)], moments(0.0, 1.0))
    tracks = followed.update([face(99, score=0.45), face(103)], 1.0)
    assert [track.box for track in tracks if track.observed] == [face(103).box]


def test_a_face_that_flickers_while_it_appears_counts() -> None:
    followed = Following()
    seen = [
        followed.update([face(100)] if hit else [], frame / 10.0) for frame, hit in enumerate((1, 0, 1, 0, 1))
    ]
    assert ids(seen[-1]) == [1]


def test_the_expression_of_a_single_stage_network_is_handed_through_only_while_observed() -> None:
    followed = Following()
    scores = (0.125,) * 8
    walk(followed, lambda _: [face(100)], moments(0.0, 0.5))
    (seen,) = followed.update([Face(face(100).box, 0.9, scores)], 0.5)
    (hidden,) = followed.update([], 0.6)
    assert seen.emotion_scores == scores
    assert hidden.emotion_scores is None


# --- motion -----------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(
    fps=st.floats(min_value=5.0, max_value=30.0),
    sizes_per_s=st.floats(min_value=-7.0, max_value=7.0),
    jitter=st.lists(st.floats(min_value=-0.03, max_value=0.03), min_size=40, max_size=40),
    grow=st.floats(min_value=-0.2, max_value=0.4),
)
def test_a_face_that_moves_smoothly_keeps_its_number(
    fps: float, sizes_per_s: float, jitter: list[float], grow: float
) -> None:
    """Any pace up to a brisk walk, at 5 to 30 frames a second, with detector jitter and approach."""
    followed = Following()
    seen: set[int] = set()
    for frame in range(40):
        now_s = frame / fps
        size = 40.0 * (1.0 + grow * now_s / 2.0)
        x = 5_000.0 + 40.0 * sizes_per_s * now_s + jitter[frame] * size
        tracks = followed.update([face(x, size=max(size, 8.0))], now_s)
        seen.update(ids(tracks))
        assert len(tracks) <= 1
    assert seen == {1}


@pytest.mark.parametrize("fps", [2.0, 3.0, 60.0])
def test_the_frame_rate_may_be_very_low_or_high(fps: float) -> None:
    """At two frames a second a strolling face leaves its old box altogether between two looks."""
    followed = Following()
    for frame in range(20):
        tracks = followed.update([face(1_000.0 + 200.0 * frame / fps)], frame / fps)
    assert ids(tracks) == [1]


@pytest.mark.parametrize("fps", [10.0, 15.0, 30.0])
@pytest.mark.parametrize("apart_px", [0.0, 10.0, 25.0])
def test_two_faces_that_cross_keep_their_numbers(fps: float, apart_px: float) -> None:
    """One passes in front of the other; while they overlap by half, only the nearer one is detected."""
    followed = Following()
    owner: dict[int, set[int]] = {0: set(), 1: set()}
    for frame in range(int(4 * fps)):
        now_s = frame / fps
        front, back = face(100 + 60 * now_s), face(340 - 60 * now_s, 100 + apart_px, 36.0)
        hidden = front.box.iou(back.box) > 0.5
        for track in followed.update([front] if hidden else [front, back], now_s):
            for index, truth in enumerate((front, back)):
                if track.observed and track.box == truth.box:
                    owner[index].add(track.track_id)
    assert [len(numbers) for numbers in owner.values()] == [1, 1]
    assert owner[0] != owner[1]


@settings(max_examples=100, deadline=None)
@given(
    hidden_s=st.floats(min_value=0.05, max_value=0.9),
    fps=st.floats(min_value=5.0, max_value=30.0),
    px_per_s=st.floats(min_value=-80.0, max_value=80.0),
)
def test_an_occlusion_shorter_than_the_coasting_time_keeps_the_number(
    hidden_s: float, fps: float, px_per_s: float
) -> None:
    followed = Following()
    seen: set[int] = set()
    frames = int(4.0 * fps)
    for frame in range(frames):
        now_s = frame / fps
        # The last look before and the first after the occlusion are one frame apart from its ends.
        visible = not 1.5 < now_s < 1.5 + hidden_s - 1.0 / fps
        tracks = followed.update([face(1_000.0 + px_per_s * now_s)] if visible else [], now_s)
        seen.update(ids(tracks))
    assert seen == {1}


def test_a_hidden_track_does_not_take_the_detection_of_a_visible_one() -> None:
    """The hidden face is predicted exactly where the visible one stands, which itself just stepped aside."""
    followed = Following()
    for frame in range(6):
        followed.update([face(100), face(200 - 20 * frame)], frame / 10.0)
    tracks = followed.update([face(100)], 0.6)
    assert [track.track_id for track in tracks if track.observed] == [1]
    tracks = followed.update([face(94)], 0.65)
    assert [track.track_id for track in tracks if track.observed] == [1]


def test_somebody_who_appears_elsewhere_does_not_inherit_a_number() -> None:
    followed = Following()
    walk(followed, lambda _: [face(100)], moments(0.0, 1.0))
    assert walk(followed, lambda _: [face(900)], moments(1.0, 2.0)) == {2}


def test_a_much_larger_face_nearby_is_somebody_else() -> None:
    followed = Following()
    walk(followed, lambda _: [face(100, size=20.0)], moments(0.0, 1.0))
    assert walk(followed, lambda _: [face(130, size=90.0)], moments(1.0, 2.0)) == {2}


def test_a_crowd_that_stands_still_is_counted_once_each() -> None:
    followed = Following()
    crowd = [face(60.0 * column, 60.0 * row) for column in range(10) for row in range(5)]
    for frame in range(30):
        shift = 3.0 if frame % 2 else -3.0
        faces = [face(60.0 * i + shift, 60.0 * j) for i in range(10) for j in range(5)]
        tracks = followed.update(faces if frame % 3 else faces[::-1], frame / 10.0)
    assert len(crowd) == len(tracks) == 50
    assert ids(tracks) == list(range(1, 51))


# --- any input --------------------------------------------------------------------------------------------

coordinates = st.one_of(
    st.floats(min_value=-100.0, max_value=2_000.0),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, 1e300, -1e300, 1e6, 1e-300]),
)
boxes = st.one_of(
    st.builds(Box, coordinates, coordinates, coordinates, coordinates),
    st.just(Box(10.0, 10.0, 50.0, 50.0)),
    st.just(Box(10.0, 10.0, 10.0, 10.0)),
)
steps = st.lists(
    st.tuples(
        st.one_of(st.none(), st.lists(st.builds(Face, boxes, st.floats(0.0, 1.0)), max_size=8)),
        st.floats(min_value=-0.5, max_value=3.0),
    ),
    max_size=25,
)


@settings(max_examples=200, deadline=None)
@given(
    steps=steps,
    confirm_ms=st.sampled_from([0.0, 300.0]),
    max_coast_ms=st.sampled_from([0.0, 100.0, 1_000.0]),
    picture_px=st.sampled_from([(640, 480), (1, 1), PICTURE_PX]),
)
@pytest.mark.filterwarnings("error")
def test_any_boxes_at_any_times_give_sound_tracks(
    steps: list[tuple[list[Face] | None, float]],
    confirm_ms: float,
    max_coast_ms: float,
    picture_px: tuple[int, int],
) -> None:
    """No exception, no NaN, no face in two tracks, and no number that comes back after its time."""
    followed = Following(confirm_ms, max_coast_ms, picture_px)
    now_s = 0.0
    seen_s: dict[int, float] = {}
    for faces, elapsed_s in steps:
        now_s += elapsed_s
        tracks = followed.coast(now_s) if faces is None else followed.update(faces, now_s)
        numbers = ids(tracks)
        assert len(set(numbers)) == len(numbers)
        if faces is not None:
            assert sum(track.observed for track in tracks) <= len(faces)
            for track in tracks:
                assert now_s - seen_s.get(track.track_id, now_s) <= REMEMBERED_S + 10.0
                if track.observed:
                    seen_s[track.track_id] = now_s
        for track in tracks:
            box = track.box
            assert all(isfinite(edge) for edge in (box.left, box.top, box.right, box.bottom))


def test_a_storm_of_ghosts_stays_bounded() -> None:
    followed = Following(confirm_ms=0.0, max_coast_ms=10_000.0)
    for frame in range(40):
        ghosts = [face(100.0 * index + 37.0 * frame, 5_000.0 * frame) for index in range(100)]
        tracks = followed.update(ghosts, frame / 10.0)
    assert len(tracks) <= 500
