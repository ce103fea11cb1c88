"""Promises of the pipeline step, with the real networks on drawn frames and a clock the test turns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from agent.assembly import build_pipeline
from agent.classifier import Classifier
from agent.detector import Detector
from agent.domain import EMOTIONS, LABELS
from agent.frame import Frame
from agent.inference.networks import Networks, load_networks
from agent.pipeline import Pipeline, Step
from agent.scheduler import Scheduler
from agent.settings import (
    AgentSettings,
    ClassifierSettings,
    DeploymentSettings,
    DetectorSettings,
    ReplaySource,
    TrackerSettings,
)
from agent.tracker.by_position import PositionTracker
from tests.support.network_fixtures import SCENE, ScriptedNetwork, empty_maps, loaded, make_frame, put_face

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Clock:
    """Stands still unless a test moves it."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Networks:
    settings = AgentSettings(
        deployment=DeploymentSettings(site="lab", device="box", context="research"),
        sources={"door": ReplaySource(type="replay", path=tmp_path_factory.mktemp("unused"))},
    )
    return load_networks(settings)


@pytest.fixture(scope="module")
def pictures() -> list[NDArray[np.uint8]]:
    """Three seconds in which one smiling visitor is in view all the time."""
    pytest.importorskip("skimage", reason="extra demo is not installed")
    from agent.synthetic.visits import FPS, render  # noqa: PLC0415 - only with the extra

    return [picture.copy() for picture in render(6.0)][round(3 * FPS) :]


def pipeline(networks: Networks, clock: Clock, budget_ms: float = 1_000.0) -> Pipeline:
    return Pipeline(
        [Detector(network, DetectorSettings()) for network in networks.detectors],
        PositionTracker(TrackerSettings()),
        Classifier(networks.classifier, ClassifierSettings(), networks.calibrated_floor),
        Scheduler(budget_ms, [1.0] * len(networks.detectors)),
        clock,
    )


def play(networks: Networks, pictures: list[NDArray[np.uint8]], age_s: float = 0.0) -> list[Step]:
    clock = Clock()
    stages = pipeline(networks, clock)
    steps = []
    for index, picture in enumerate(pictures):
        steps.append(stages.step(Frame(picture, clock.now_s - age_s, "door", index)))
        clock.now_s += 1 / 12
    return steps


@pytest.mark.slow
def test_a_face_in_view_becomes_one_track_that_is_read_as_happy(
    networks: Networks, pictures: list[NDArray[np.uint8]]
) -> None:
    readings = [reading for step in play(networks, pictures) for reading in step.readings]
    assert len(readings) > len(pictures) / 2
    assert len({reading.track_id for reading in readings}) == 1
    assert {reading.label for reading in readings} <= set(LABELS)
    happy = sum(reading.label == EMOTIONS[1] for reading in readings)
    assert happy > len(readings) / 2


@pytest.mark.slow
def test_a_track_is_classified_again_only_when_its_vote_is_old(
    networks: Networks, pictures: list[NDArray[np.uint8]]
) -> None:
    steps = play(networks, pictures)
    duration_s = len(pictures) / 12
    votes = sum(step.classified for step in steps)
    due = duration_s / (ClassifierSettings().revote_ms / 1_000.0)
    assert 1 <= votes <= due + 1


@pytest.mark.parametrize(("configured", "label"), [(None, "unknown"), (0.1, "neutral")])
def test_a_single_stage_networks_calibrated_floor_applies_unless_configured(
    configured: float | None, label: str
) -> None:
    maps = empty_maps(channels=4 + len(EMOTIONS))
    put_face(maps[0], 3, 3, [1.0] + [0.0] * (len(EMOTIONS) - 1), 1.0)
    network = loaded(
        ScriptedNetwork(SCENE, maps),
        task="face_emotion",
        labels=EMOTIONS,
        head="yolo_ltrb",
        unknown_below=0.9,
    )
    settings = AgentSettings(
        deployment=DeploymentSettings(site="lab", device="box", context="research"),
        sources={"door": ReplaySource(type="replay", path=Path("unused"))},
        detector=DetectorSettings(min_face_px=0.0),
        classifier=ClassifierSettings(unknown_below=configured),
    )
    stages = build_pipeline(Networks((network,), None), settings, lambda: 0.0)
    pixels = np.zeros((64, 64, 3), np.uint8)
    steps = [stages.step(replace(make_frame(pixels), captured_at_s=0.1 * look)) for look in range(5)]
    assert [reading.label for reading in steps[-1].readings] == [label]


@pytest.mark.parametrize("single_stage", [False, True])
def test_without_expressions_tracks_are_handed_on_and_nobody_is_read(*, single_stage: bool) -> None:
    """A single-stage network then finds faces; a classifier is not even asked for."""
    maps = empty_maps(channels=4 + (len(EMOTIONS) if single_stage else 1))
    put_face(maps[0], 3, 3, [1.0] + [0.0] * (len(EMOTIONS) - 1) if single_stage else [1.0], 1.0)
    fields = {"task": "face_emotion", "labels": EMOTIONS} if single_stage else {}
    network = loaded(ScriptedNetwork(SCENE, maps), head="yolo_ltrb", **fields)
    settings = AgentSettings(
        deployment=DeploymentSettings(site="lab", device="box", context="research"),
        sources={"door": ReplaySource(type="replay", path=Path("unused"))},
        detector=DetectorSettings(min_face_px=0.0),
    )
    stages = build_pipeline(Networks((network,), None), settings, lambda: 0.0, expressions=False)
    frame = make_frame(np.zeros((96, 128, 3), np.uint8))
    step = [stages.step(replace(frame, captured_at_s=0.1 * look)) for look in range(5)][-1]
    assert (step.readings, step.classified, step.picture_px) == ((), 0, (128, 96))
    (track,) = step.tracks
    assert track.observed
    assert track.emotion_scores is None


@pytest.mark.slow
def test_the_same_frames_at_the_same_times_give_the_same_readings(
    networks: Networks, pictures: list[NDArray[np.uint8]]
) -> None:
    first, second = play(networks, pictures), play(networks, pictures)
    assert [step.readings for step in first] == [step.readings for step in second]


@pytest.mark.slow
def test_a_frame_older_than_the_budget_is_not_worked_on(
    networks: Networks, pictures: list[NDArray[np.uint8]]
) -> None:
    first = play(networks, pictures[:1], age_s=5.0)[0]
    assert first.dropped
    assert first.readings == ()


@pytest.mark.slow
def test_frames_without_faces_bring_no_readings(networks: Networks) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    steps = play(networks, [noise] * 6)
    assert all(step.readings == () for step in steps)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 400, 3), (481, 643, 3), (900, 120, 3)])
def test_frames_of_any_size_pass(networks: Networks, shape: tuple[int, int, int]) -> None:
    picture = np.full(shape, 127, np.uint8)
    assert play(networks, [picture, picture[:, ::-1]])[1].readings == ()


def test_a_frame_never_prints_its_pixels(tmp_path: Path) -> None:
    frame = Frame(np.full((48, 64, 3), 201, np.uint8), 0.0, "door", 7)
    assert repr(frame) == str(frame) == f"{frame}" == "Frame('door' #7, 64x48)"
    log = tmp_path / "log"
    log.write_text(f"{[frame]!r} {(frame,)!s}")
    assert "201" not in log.read_text()
