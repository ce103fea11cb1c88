"""Promises of the demo: it needs no camera and no broker, and shows counts that really travelled by MQTT."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("amqtt", reason="extra demo is not installed")
pytest.importorskip("skimage", reason="extra demo is not installed")

from agent.commands.demo.broker import EmbeddedBroker
from agent.commands.demo.table import Arrivals
from agent.inference.bundle.place import default_bundle_folder
from agent.synthetic.visits import FPS, HEIGHT_PX, VISITS, WIDTH_PX, render
from tests.support.waiting import DEADLINE_S

if TYPE_CHECKING:
    from pathlib import Path


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agent", "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=5.0 * DEADLINE_S, check=False)


@pytest.mark.slow
def test_the_demo_counts_happiness_through_mqtt_and_ends_by_itself() -> None:
    default_bundle_folder()
    result = demo("--seconds", "12")
    assert result.returncode == 0, result.stderr
    assert "min_count = 1" in result.stdout
    lines = [line for line in result.stdout.splitlines() if "coverage" in line]
    assert len(lines) >= 2
    assert any("happiness" in line for line in lines)
    assert "windows arrived through MQTT" in result.stdout
    assert "The agent is offline." in result.stdout


@pytest.mark.slow
def test_a_video_that_is_none_ends_the_demo_with_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_text("no film")
    result = demo("--video", str(path))
    assert result.returncode != 0
    assert [line for line in result.stderr.splitlines() if line.startswith("error:") and str(path) in line]
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_camera_and_video_exclude_each_other(tmp_path: Path) -> None:
    result = demo("--camera", "0", "--video", str(tmp_path))
    assert result.returncode == 2
    assert "exclude each other" in result.stderr


def test_the_clip_is_empty_before_the_first_visit_and_busy_during_it() -> None:
    pictures = [picture.copy() for picture in render(VISITS[0].arrives_s + 3.0)]
    assert pictures[0].shape == (HEIGHT_PX, WIDTH_PX, 3)
    still = np.abs(pictures[1].astype(int) - pictures[0]).max()
    changed = np.abs(pictures[-1].astype(int) - pictures[0]).max()
    assert still == 0
    assert changed > 50
    assert len(pictures) == round((VISITS[0].arrives_s + 3.0) * FPS)


def test_two_brokers_can_run_side_by_side() -> None:
    with EmbeddedBroker() as first, EmbeddedBroker() as second:
        assert first.port != second.port


def test_the_table_shows_suppressed_windows_without_numbers() -> None:
    arrivals = Arrivals()
    window = b"""{"window_start": "2026-01-01T00:00:00.000Z", "window_end": "2026-01-01T00:05:00.000Z",
        "suppressed": true, "people": null, "counts": null, "coverage": 1.0}"""
    arrivals.feed("emotion-agent/v1/lab/box/counts/door", window)
    (line,) = arrivals.lines(0)
    assert "few" in line
    assert sum(arrivals.totals.values()) == 0
