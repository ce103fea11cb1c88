"""Promises of the bench: it measures what it says, in the form that others read. No figure is asserted."""

from __future__ import annotations

import io
import itertools
import json
import threading
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from agent.cli import app
from agent.commands.bench.figures import BenchOptions, Figures
from agent.commands.bench.measured import Played
from agent.commands.bench.memory_camera import MemoryCamera, StillCamera
from agent.commands.bench.runner import run_bench
from agent.errors import ConfigError, SourceEnded
from agent.inference.choice.choose import decide
from agent.inference.choice.trial import Trial
from tests.support.signing_fixtures import signer_of

if TYPE_CHECKING:
    from agent.inference.bundle.manifest import Bundle

pytest.importorskip("skimage", reason="the bench draws with scikit-image: pip install '.[demo]'")
from agent.synthetic import crowd as clip
from agent.synthetic.astronaut import HEIGHT_PX, WIDTH_PX
from tests.support.patience import PassingTime

STAGES = (
    "capture copy",
    "detector network",
    "letterbox, decode, track",
    "classifier network",
    "crop, vote",
    "rest",
)
LATENCY = ("p50_ms", "p95_ms", "p99_ms", "max_ms")
PLAYED = {
    **dict.fromkeys(("frames", "fps", *LATENCY, "dropped", "dropped_in_mailbox", "dropped_stale")),
    **dict.fromkeys(("readings_per_frame", "classifications_per_frame", "tier_changes", "last_tier")),
    **dict.fromkeys(("frame_ms", "overhead_ms", "cpu_s_per_hour", "rss_mb", "rss_growth_mb")),
    **dict.fromkeys(("ready_s", "cached", "backend", "precision")),
    "stages_ms": dict.fromkeys(STAGES),
    "tiers": [None],
}
WATCHED = dict.fromkeys(
    ("cpu_s_per_hour", "capture_cpu_s_per_hour", "pipeline_cpu_s_per_hour", "frames", "read", "processed")
)
SEVERAL = {
    **dict.fromkeys(("fps", "cpu_s_per_hour", "budget_ms", "fair", "in_time")),
    "sources": [dict.fromkeys(("name", "frames", "fps", *LATENCY, "dropped", "share"))],
}
KEYS = {
    "conditions": dict.fromkeys(("budget_ms", "fps", "seconds", "threads", "burners")),
    "speedup": dict.fromkeys(
        ("detector_best", "classifier_best", "detector_onnxruntime", "classifier_onnxruntime")
    ),
    "overhead_share": None,
    "pipeline": {"1": PLAYED, "5": PLAYED},
    "rss_mb": None,
    "ready_s": None,
    "baseline": PLAYED,
    "soak": PLAYED,
    "still": {
        **dict.fromkeys(("fps", "seconds", "share", "detection_share")),
        "every_frame": WATCHED,
        "gated": WATCHED,
    },
    "several": {"paced": SEVERAL, "overloaded": SEVERAL},
    "candidates": [
        {
            **dict.fromkeys(("network", "backend", "device", "precision", "outcome", "ms", "p95_ms")),
            **dict.fromkeys(("agreement", "detail", "chosen", "verdict")),
        }
    ],
}
"""Others read these: a key may be added, none may leave or move."""


def keys_of(value: Any) -> Any:
    """The tree of keys alone; a list is told by its first element."""
    if isinstance(value, dict):
        return {key: keys_of(inner) for key, inner in value.items()}
    return [keys_of(value[0])] if isinstance(value, list) and value else None


@pytest.mark.slow
def test_json_has_the_figures_that_dashboards_read(bundle: Bundle) -> None:
    options = BenchOptions(
        faces=(1, 5),
        threads=1,
        backend="onnxruntime",
        bundle=bundle.folder,
        trusted_keys=(signer_of(bundle.folder),),
        fps=30.0,
        seconds=0.2,
        soak_frames=300,
        still_s=8.0,
        sources=2,
    )
    output = io.StringIO()
    run_bench(options, as_json=True, console=Console(file=output, width=200))
    report = json.loads(output.getvalue())
    assert keys_of(report) == KEYS
    for result in report["pipeline"].values():
        assert result["p50_ms"] <= result["p95_ms"] <= result["p99_ms"]
        assert result["cpu_s_per_hour"] > 0.0
        assert sum(result["stages_ms"].values()) == pytest.approx(result["frame_ms"], rel=0.2)
    assert 0.0 < report["overhead_share"] < 10.0
    assert report["rss_mb"] > 10.0
    assert report["ready_s"] > 0.0
    assert report["soak"]["frames"] == 300
    check_still(report["still"])
    for result in report["several"].values():
        assert [row["name"] for row in result["sources"]] == ["source-1", "source-2"]
        assert sum(row["share"] for row in result["sources"]) == pytest.approx(2.0)
        assert all(row["p50_ms"] <= row["p99_ms"] <= row["max_ms"] for row in result["sources"])
        assert result["cpu_s_per_hour"] > 0.0
    assert len(report["candidates"]) == 6


def check_still(still: dict[str, Any]) -> None:
    """Every frame without the gate; with it a second's frames at first, and then about two in a second."""
    every, gated = still["every_frame"], still["gated"]
    assert (every["frames"], every["read"], every["processed"]) == (240, 240, 240)
    assert gated["frames"] == 240
    assert 30 < gated["processed"] < gated["read"] < 120
    for row in (every, gated):
        parts = row["capture_cpu_s_per_hour"] + row["pipeline_cpu_s_per_hour"]
        assert parts == pytest.approx(row["cpu_s_per_hour"])
    assert still["share"] == pytest.approx(gated["cpu_s_per_hour"] / every["cpu_s_per_hour"])


def test_an_empty_room_is_still_but_for_its_noise() -> None:
    room = clip.empty_room()
    assert room.faces == ((),) * clip.FRAMES
    for a, b in itertools.pairwise(room.frames.astype(np.int16)):
        assert 2.0 < np.abs(a - b).std() < 5.0


def test_a_camera_in_memory_keeps_its_pace_and_loses_what_came_meanwhile() -> None:
    stop = PassingTime()
    camera = MemoryCamera("door", clip.empty_room().frames, 200.0, stop, clock=lambda: stop.now_s)
    camera.open()
    first = camera.read()
    stop.wait(0.052)
    second, third = camera.read(), camera.read()
    camera.close()
    assert second.captured_at_s - first.captured_at_s == pytest.approx(0.05)
    assert third.captured_at_s - second.captured_at_s == pytest.approx(1 / 200.0, rel=0.01)
    assert third.captured_at_s == pytest.approx(stop.now_s)


def test_a_still_camera_shows_each_picture_once_whatever_the_time() -> None:
    camera = StillCamera("room", clip.empty_room().frames, 10.0, threading.Event(), 7)
    camera.open()
    times_s = [camera.read().captured_at_s for _ in range(7)]
    assert np.diff(times_s) == pytest.approx([0.1] * 6)
    with pytest.raises(SourceEnded):
        camera.read()
    assert camera.copied == 7
    assert camera.lasted_s == pytest.approx(0.7)
    camera.close()


@pytest.mark.slow
def test_the_tables_name_every_measurement(bundle: Bundle) -> None:
    options = BenchOptions(
        faces=(1,),
        threads=1,
        backend="onnxruntime",
        bundle=bundle.folder,
        trusted_keys=(signer_of(bundle.folder),),
        fps=None,
        seconds=0.1,
        still_s=2.0,
        sources=2,
    )
    output = io.StringIO()
    run_bench(options, console=Console(file=output, width=200))
    text = output.getvalue()
    for words in (
        "One run of each network",
        "Whole pipeline",
        "CPU s/hour",
        "letterbox, decode, track",
        "An hour of an empty room",
        "Several sources in one process",
        "source-2",
        "of an equal part",
        "Ready in",
    ):
        assert words in text
    assert "INT8 against ONNX Runtime FP32" in text


@pytest.mark.parametrize("count", [1, 5, 20, 50])
def test_a_clip_shows_as_many_separate_faces_as_it_says(count: int) -> None:
    """Inside the picture, at least 20 px high, none over another."""
    drawn = clip.draw_crowd(count)
    assert drawn.frames.shape == (clip.FRAMES, HEIGHT_PX, WIDTH_PX, 3)
    assert len(drawn.labels) == count
    for faces in drawn.faces:
        assert len(faces) == count
        for index, face in enumerate(faces):
            assert face.height >= 20.0
            assert min(face.left, face.top) >= 0.0
            assert (face.right, face.bottom) <= (WIDTH_PX, HEIGHT_PX)
            assert all(face.iou(other) == 0.0 for other in faces[:index])


def test_a_clip_moves() -> None:
    frames = clip.draw_crowd(2).frames
    assert all((a != b).any() for a, b in itertools.pairwise(frames))


def trial(network: str, backend: str, precision: str, ms: float) -> Trial:
    return Trial(network, backend, "cpu", precision, "agrees", ms=ms)


def test_speedups_compare_int8_with_onnx_runtime_fp32() -> None:
    trials = [
        trial("d", "onnxruntime", "fp32", 4.0),
        trial("d", "onnxruntime", "int8_u8s8", 2.0),
        trial("d", "openvino", "fp32", 5.0),
        trial("d", "openvino", "int8", 1.0),
        trial("c", "onnxruntime", "fp32", 0.9),
        trial("c", "openvino", "int8", 0.3),
    ]
    choice = decide(trials, ("d",), "c", 100.0, cached=False)
    assert Figures(choice, {}).speedup == {
        "detector_best": 4.0,
        "classifier_best": 3.0,
        "detector_onnxruntime": 2.0,
        "classifier_onnxruntime": None,
    }


def test_overhead_is_told_as_a_share_of_the_fp32_frame() -> None:
    choice = decide([trial("d", "onnxruntime", "fp32", 4.0)], ("d",), None, 100.0, cached=False)
    figures = Figures(choice, {"1": played(overhead_ms=0.5)}, played(frame_ms=5.0))
    assert figures.overhead_share == pytest.approx(0.1)


def test_what_was_not_asked_for_is_empty_in_the_json() -> None:
    choice = decide([trial("d", "onnxruntime", "fp32", 4.0)], ("d",), None, 100.0, cached=False)
    report = Figures(choice, {}).as_json()
    assert [report[key] for key in ("pipeline", "baseline", "still", "several")] == [{}] * 4
    assert (report["soak"], report["overhead_share"], report["rss_mb"], report["ready_s"]) == (None,) * 4


def test_a_camera_at_its_pace_gives_latency_and_losses_and_the_unpaced_run_rate_and_stages() -> None:
    free = played(fps=200.0, frame_ms=5.0, overhead_ms=0.5, ready_s=1.0, p99_ms=6.0, dropped=0)
    paced = played(fps=15.0, frame_ms=9.0, overhead_ms=3.0, ready_s=2.0, p99_ms=8.0, dropped=4)
    both = free.at_pace(paced)
    assert (both.fps, both.frame_ms, both.overhead_ms, both.ready_s) == (200.0, 5.0, 0.5, 1.0)
    assert (both.p99_ms, both.dropped) == (8.0, 4)


def played(**figures: float) -> Played:
    """A run in which nothing happened but ``figures``."""
    numbers = dict.fromkeys((field.name for field in fields(Played)), 0.0)
    names: dict[str, Any] = {"stages_ms": {}, "cached": False, "backend": "", "precision": "", "tiers": ()}
    return Played(**{**numbers, **names, **figures})


@pytest.mark.parametrize("faces", ["a", "1,-5", "1.5", "1e3", "201", "9" * 5_000, "\u0665", "1;5"])
def test_numbers_of_faces_that_are_none_are_a_mistake_of_the_user(faces: str) -> None:
    done = CliRunner().invoke(app, ["bench", "--faces", faces])
    assert isinstance(done.exception, ConfigError)
    assert "give numbers up to 200, such as 1,5,20" in str(done.exception)
