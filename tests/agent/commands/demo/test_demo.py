"""Promises of the demo: it needs no camera and no broker, and shows counts that really travelled by MQTT."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from rich.console import Console

pytest.importorskip("amqtt", reason="extra demo is not installed")
pytest.importorskip("skimage", reason="extra demo is not installed")

from agent.commands.demo.broker import EmbeddedBroker
from agent.commands.demo.table import Arrivals
from agent.contract.messages import counts_message
from agent.domain import LABELS
from agent.inference.bundle.place import default_bundle_folder
from agent.mqtt.link import Received
from agent.publisher.wallclock import WallClock
from agent.synthetic.astronaut import HEIGHT_PX, WIDTH_PX
from agent.synthetic.visits import FPS, VISITS, render
from tests.support.message_samples import (
    FEW_PEOPLE,
    PEOPLE,
    SESSION,
    SUPPRESSED,
    birth,
    disclosure,
    health,
    message_of,
    modest_birth,
    window,
)
from tests.support.waiting import DEADLINE_S

if TYPE_CHECKING:
    from pathlib import Path

    from agent.domain import Disclosure

BRANCH = "emotion-agent/v1/lab/box"


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
    arrivals = fed(("counts/door", payload(0, SUPPRESSED)))
    (line,) = arrivals.lines(0)
    assert "few" in line
    assert sum(arrivals.totals.values()) == 0


def test_the_headline_names_networks_and_pace_and_the_goodbye_is_heard() -> None:
    arrivals = fed(
        ("availability", b"online"),
        ("birth", birth().payload()),
        ("health", health().payload()),
        ("counts/door", payload(0, disclosure())),
        ("counts/door", payload(0, disclosure())),
    )
    assert (arrivals.availability, arrivals.received, arrivals.gone.is_set()) == ("online", 1, False)
    console = Console(file=io.StringIO(), width=200, record=True)
    console.print(arrivals.render())
    text = console.export_text()
    sent = birth()
    for words in ("agent online", sent.models.detector.id, sent.backend, " MB", "counts received over MQTT"):
        assert words in text
    arrivals.take(Received(f"{BRANCH}/availability", b"offline", retained=False))
    assert (arrivals.availability, arrivals.gone.is_set()) == ("offline", True)


def test_the_table_of_people_only_has_people_and_no_expression() -> None:
    arrivals = fed(
        ("birth", modest_birth().payload()),
        ("people/hall", message_of(PEOPLE).payload()),
        ("people/hall", message_of(FEW_PEOPLE, 1).payload()),
    )
    console = Console(file=io.StringIO(), width=200, record=True)
    console.print(arrivals.render())
    text = console.export_text()
    assert not arrivals.expressions
    assert not [label for label in LABELS if label in text]
    first, second = arrivals.lines(0)
    assert "people 7  (coverage 100%)" in first
    assert "few" in second


@pytest.mark.slow
def test_the_demo_counts_people_only_where_asked_to() -> None:
    default_bundle_folder()
    result = demo("--seconds", "12", "--people-only")
    assert result.returncode == 0, result.stderr
    assert not [label for label in LABELS if label in result.stdout]
    assert "windows arrived through MQTT; of people only." in result.stdout


def fed(*messages: tuple[str, bytes]) -> Arrivals:
    arrivals = Arrivals("emotion-agent")
    for leaf, content in messages:
        arrivals.take(Received(f"{BRANCH}/{leaf}", content, retained=False))
    return arrivals


def payload(seq: int, told: Disclosure) -> bytes:
    closed = window(seq)
    stamps = WallClock().stamps(closed.opened_at_s, closed.closed_at_s)
    return counts_message(closed, told, SESSION, stamps).payload()
