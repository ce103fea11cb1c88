"""The agent started in a stranger's folder, with sudo perhaps, runs none of the stranger's code."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from agent.settings import OpenCvSource
from agent.source.isolation import IsolatedCamera
from tests.support.agent_process import replay, write_config
from tests.support.clips import write_images
from tests.support.mjpeg_server import MjpegServer, StreamPlan
from tests.support.places import ROOT
from tests.support.ports import free_port
from tests.support.signing_fixtures import signer_of
from tests.support.stranger import Stranger

if TYPE_CHECKING:
    from pathlib import Path

    from agent.inference.bundle import Bundle

pytestmark = pytest.mark.slow

EMOTION_AGENT = "import sys; sys.path.insert(0, {root!r}); from agent.cli import main; main()"
"""As the console script starts it: the agent's own folder is on the path, the working directory is not."""


@pytest.fixture
def stranger(tmp_path: Path) -> Stranger:
    return Stranger(tmp_path / "stranger", "agent", "models")


@pytest.fixture
def config(bundle: Bundle, tmp_path: Path) -> Path:
    """A short replay, and networks for which there is something left to choose, so that children try them."""
    (tmp_path / "own").mkdir()
    models = (
        f'[models]\nbundle = "{bundle.folder}"\ntrusted_keys = ["{signer_of(bundle.folder)}"]\n'
        'backend = "onnxruntime"\nthreads = 1\n'
    )
    source = replay(write_images(tmp_path / "own" / "clip", 5), realtime=False)
    return write_config(tmp_path / "own", source, free_port(), extra=models)


def emotion_agent(stranger: Stranger, way: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    there = way == "working directory"
    return subprocess.run(
        [sys.executable, "-P", "-c", EMOTION_AGENT.format(root=str(ROOT)), *arguments],
        cwd=stranger.folder if there else ROOT,
        env=dict(os.environ) if there else {**os.environ, "PYTHONPATH": str(stranger.folder)},
        capture_output=True, text=True, check=False, timeout=120.0,
    )  # fmt: skip


@pytest.mark.parametrize("way", ["working directory", "PYTHONPATH"])
def test_doctor_tries_the_backends_with_its_own_code(stranger: Stranger, config: Path, way: str) -> None:
    done = emotion_agent(stranger, way, "doctor", "--reselect", "--config", config)
    assert stranger.ran == []
    assert done.returncode == 0, done.stderr
    assert "chosen" in done.stdout


@pytest.mark.parametrize("way", ["working directory", "PYTHONPATH"])
def test_run_chooses_its_backend_and_counts_with_its_own_code(
    stranger: Stranger, config: Path, way: str
) -> None:
    done = emotion_agent(stranger, way, "run", "--config", config)
    assert stranger.ran == []
    assert done.returncode == 0, done.stderr
    assert (config.parent / "state" / "backend-choice.json").exists()


@pytest.mark.parametrize("way", ["working directory", "PYTHONPATH"])
def test_a_camera_process_runs_its_own_code(
    stranger: Stranger, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "working directory":
        monkeypatch.chdir(stranger.folder)
    else:
        monkeypatch.setenv(way, str(stranger.folder))
    stop = threading.Event()
    with MjpegServer(StreamPlan(interval_s=0.01)) as served:
        camera = IsolatedCamera("door", OpenCvSource(type="opencv", device=served.url), stop)
        camera.open()
        assert camera.read().pixels is not None
        stop.set()
        camera.close()
    assert stranger.ran == []
