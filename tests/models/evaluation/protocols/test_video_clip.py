"""The clip's truth is what its pictures show, and its score is what the pipeline counted."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from agent.domain import EmotionWindow
from models.data.portraits import Portrait
from models.data.scenes import LabelledPhoto
from models.evaluation.protocols.video import VideoScores, WindowOutcome, judge_window, play
from models.evaluation.protocols.video_clip import (
    CLEAR_FRAMES,
    FRAMES_PER_WINDOW,
    HEIGHT_PX,
    SCENE_WINDOWS,
    WIDTH_PX,
    Clip,
    compose_clip,
)
from models.evaluation.subject import EvaluationData, load_subject
from tests.support.places import ROOT

NO_BOXES = np.zeros((0, 4), np.float32)


def portraits(count: int) -> list[Portrait]:
    """White discs of as many people, two photos each."""
    rows, columns = np.indices((160, 120))
    disc = np.where((rows - 80) ** 2 + (columns - 60) ** 2 < 50**2, 250, 20).astype(np.uint8)
    return [
        Portrait(
            f"person{chr(97 + number % 26)}{chr(97 + number // 26)}_{photo}.jpg",
            disc,
            number % 8,
            (20, 20, 80, 120),
        )
        for number in range(count)
        for photo in (1, 2)
    ]


def scene(level: int, faces: int = 0) -> LabelledPhoto:
    boxes = np.zeros((faces, 4), np.float32)
    return LabelledPhoto(f"{level}", np.full((224, 224, 3), level, np.uint8), boxes, NO_BOXES)


def clip(windows: int = 12, seed: int = 0, people: int = 200) -> Clip:
    return compose_clip(
        portraits(people), [scene(40), scene(90), scene(140), scene(222, faces=1)], windows, seed
    )


def test_one_seed_makes_one_clip_and_another_seed_another() -> None:
    first, again, other = clip(3), clip(3), clip(3, seed=1)
    assert first.windows == again.windows
    pairs = zip(first.frames(), again.frames(), strict=True)
    assert all((left == right).all() for left, right in pairs)
    assert first.windows != other.windows


@pytest.mark.parametrize("seed", range(5))
def test_everybody_is_in_view_clearly_or_not_at_all_in_each_window(seed: int) -> None:
    shown = clip(20, seed)
    labels: list[list[str]] = [[] for _ in shown.windows]
    for visit in shown.visits:
        frames = Counter(frame // FRAMES_PER_WINDOW for frame in visit.frames_in_view())
        for window, count in frames.items():
            if window < len(labels):
                assert count >= CLEAR_FRAMES
                labels[window].append(visit.label)
    assert tuple(tuple(sorted(names)) for names in labels) == shown.windows
    assert sum(map(len, shown.windows)) > 20


def test_nobody_comes_twice_and_nobody_stands_in_anothers_place() -> None:
    shown = clip(20)
    assert len(shown.visits) > 10
    for place in {visit.place for visit in shown.visits}:
        times = sorted((v.first_frame, v.last_frame) for v in shown.visits if v.place == place)
        assert all(left[1] < right[0] for left, right in pairwise(times))
    few = compose_clip(portraits(3), [scene(40)], 20, 0)
    assert len(few.visits) == 3


def test_face_is_drawn_where_the_truth_says_and_nowhere_before_or_after() -> None:
    shown = compose_clip(portraits(1), [scene(40)], 6, 2)
    (visit,) = shown.visits
    for frame, picture in enumerate(shown.frames()):
        position = visit.position(frame)
        if position is None:
            assert (picture == 40).all()
        elif 0 <= position[0] < WIDTH_PX:
            reach = 0.3 * visit.face_px[1]
            for height in (position[1] - reach, position[1], position[1] + reach):
                assert picture[round(height), int(position[0])].min() > 120


def test_camera_looks_at_scenes_without_faces_only_and_elsewhere_in_time() -> None:
    shown = clip(2 * SCENE_WINDOWS + 1)
    assert [picture.shape for picture in shown.scenes] == [(HEIGHT_PX, WIDTH_PX, 3)] * 3
    levels = [int(picture[0, 0, 0]) for picture in shown.scenes]
    assert len(set(levels)) == 3
    assert 222 not in levels


def test_clip_needs_a_scene_without_faces() -> None:
    with pytest.raises(ValueError, match="without faces"):
        compose_clip(portraits(3), [scene(40, faces=1)], 2, 0)


def window(**counts: int) -> EmotionWindow:
    return EmotionWindow("clip", 0, 0.0, 10.0, 1.0, counts)


@pytest.mark.parametrize(
    ("truth", "counted", "people_right", "leading_right"),
    [
        (("anger", "neutral", "neutral"), window(neutral=2, anger=1), True, True),
        (("anger", "neutral"), window(anger=1, neutral=1), True, True),
        (("anger", "neutral", "neutral"), window(anger=3), True, False),
        (("anger", "neutral"), window(anger=2), True, True),
        (("anger", "neutral"), window(happiness=2), True, False),
        (("anger",), window(anger=1, fear=1), False, True),
        (("fear",), window(anger=1, fear=1), False, False),
        (("neutral",), window(neutral=2), False, True),
        ((), window(), True, False),
        (("anger",), window(), False, False),
    ],
)
def test_window_is_judged_by_people_and_by_the_leading_label(
    truth: tuple[str, ...], counted: EmotionWindow, *, people_right: bool, leading_right: bool
) -> None:
    outcome = judge_window(truth, counted)
    assert (outcome.people_right, outcome.leading_right) == (people_right, leading_right)


def test_empty_windows_count_for_people_but_have_no_leading_label() -> None:
    outcomes = (
        WindowOutcome(0, 0, (), ""),
        WindowOutcome(2, 2, ("anger",), "anger"),
        WindowOutcome(3, 1, ("fear",), "anger"),
    )
    figures = VideoScores("net", 0.4, outcomes).as_json()
    assert figures["people_right"] == pytest.approx(2 / 3)
    assert figures["dominant_right"] == pytest.approx(1 / 2)
    assert (figures["people"], figures["people_counted"]) == (5, 3)


@pytest.mark.slow
def test_pipeline_closes_one_window_per_window_of_the_clip_and_sees_nobody_on_a_wall() -> None:
    subject = load_subject(
        ROOT / "models" / "bundle",
        EvaluationData(ROOT),
        detector="yolo_face_pico_224",
        classifier="mobilenet_emotion",
        precision="fp32",
    )
    windows = play(compose_clip([], [scene(40)], 2, 0), subject)
    assert [closed.people for closed in windows] == [0, 0]
    assert [closed.coverage for closed in windows] == pytest.approx([1.0, 1.0])
