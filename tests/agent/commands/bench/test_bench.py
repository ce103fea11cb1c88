"""Promises of the bench: it measures what it says, in the form that others read. No figure is asserted."""

from __future__ import annotations

import io
import itertools
import json
import subprocess
import sys
import textwrap
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from rich.console import Console

from agent.commands.bench.figures import Figures
from agent.commands.bench.memory_camera import MemoryCamera, StillCamera
from agent.commands.bench.runner import BenchOptions, run_bench
from agent.errors import SourceEnded
from agent.inference.choice.choose import decide
from agent.inference.choice.trial import Trial
from tests.support.signing_fixtures import signer_of

if TYPE_CHECKING:
    from pathlib import Path

    from agent.inference.bundle.manifest import Bundle

pytest.importorskip("skimage", reason="the bench draws with scikit-image: pip install '.[demo]'")
from agent.commands.bench.peers import FACES, compare_peers
from agent.settings import AgentSettings, DeploymentSettings, ModelsSettings, ReplaySource
from agent.synthetic import crowd as clip
from agent.synthetic.astronaut import HEIGHT_PX, WIDTH_PX
from tests.support.patience import PassingTime
from tests.support.places import ROOT


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
    assert run_bench(options, as_json=True, console=Console(file=output, width=200)) == 0
    report = json.loads(output.getvalue())
    assert set(report["speedup"]) == {
        "detector_best",
        "classifier_best",
        "detector_onnxruntime",
        "classifier_onnxruntime",
    }
    assert set(report["pipeline"]) == {"1", "5"}
    for result in report["pipeline"].values():
        assert {"fps", "p50_ms", "p95_ms", "p99_ms", "dropped", "tier_changes"} <= set(result)
        assert result["p50_ms"] <= result["p95_ms"] <= result["p99_ms"]
        assert result["cpu_s_per_hour"] > 0.0
        assert sum(result["stages_ms"].values()) == pytest.approx(result["frame_ms"], rel=0.2)
    assert 0.0 < report["overhead_share"] < 10.0
    assert report["rss_mb"] > 10.0
    assert report["ready_s"] > 0.0
    assert report["soak"]["frames"] == 300
    check_still(report["still"])
    assert set(report["several"]) == {"paced", "overloaded"}
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
    assert Figures(choice, {}, {}).speedup == {
        "detector_best": 4.0,
        "classifier_best": 3.0,
        "detector_onnxruntime": 2.0,
        "classifier_onnxruntime": None,
    }


def test_overhead_is_told_as_a_share_of_the_fp32_frame() -> None:
    choice = decide([trial("d", "onnxruntime", "fp32", 4.0)], ("d",), None, 100.0, cached=False)
    figures = Figures(choice, {"1": {"overhead_ms": 0.5}}, {"frame_ms": 5.0})
    assert figures.overhead_share == pytest.approx(0.1)


@pytest.mark.slow
def test_a_peer_that_is_not_installed_is_said_and_left_out(bundle: Bundle, tmp_path: Path) -> None:
    peers = compare_peers(str(tmp_path / "no-python"), None, settings_for(bundle))
    assert [peer["name"] for peer in peers] == ["emotion-agent", "YuNet + our classifier", "fer package"]
    assert peers[0]["ms"] > 0.0
    assert "--yunet" in peers[1]["note"]
    assert "left out" in peers[2]["note"]


@pytest.mark.slow
def test_the_fer_package_is_run_by_another_interpreter(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package of that name that reports one face, where the clip's first one is, as happy."""
    first = clip.draw_crowd(FACES).faces[0][0]
    box = [round(first.left), round(first.top), round(first.width), round(first.height)]
    package = tmp_path / "fer"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "fer.py").write_text(
        textwrap.dedent(
            f"""
            class FER:
                def detect_emotions(self, frame):
                    assert frame.shape == (480, 640, 3)
                    return [{{"box": {box}, "emotions": {{"happy": 0.9, "sad": 0.1}}}}]
            """
        )
    )
    folder = tmp_path / "fer-25.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: fer\nVersion: 25.0\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    peer = compare_peers(sys.executable, None, settings_for(bundle))[2]
    assert peer["note"] == "fer 25.0"
    assert peer["found"] == pytest.approx(1 / FACES, abs=0.01)
    assert peer["right"] == peer["found"]


def test_the_script_for_the_other_interpreter_imports_nothing_of_ours() -> None:
    script = ROOT / "agent" / "commands" / "bench" / "fer_peer.py"
    assert "agent" not in {
        line.split()[1].split(".")[0]
        for line in script.read_text().splitlines()
        if line.strip().startswith(("import ", "from "))
    }


@pytest.mark.slow
def test_the_bench_has_a_help_text_that_says_how_to_add_a_peer() -> None:
    command = [sys.executable, "-m", "agent", "bench", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True, env={"COLUMNS": "200"}).stdout
    assert "--peer-python" in text
    assert "pip install fer" in text


def settings_for(bundle: Bundle) -> AgentSettings:
    return AgentSettings(
        deployment=DeploymentSettings(site="s", device="d", context="demo"),
        sources={"bench": ReplaySource(type="replay", path=bundle.folder)},
        models=ModelsSettings(
            bundle=bundle.folder,
            trusted_keys=(signer_of(bundle.folder),),
            backend="onnxruntime",
            precision="int8_u8s8",
            threads=1,
        ),
    )
