"""Random pixels shown to the agent turn up nowhere: no file, no message, no log line, no memory afterwards.

The canary is painted into every picture beside a real face. Each search is first proven able to find it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.agent_process import replay, write_config
from tests.support.canary import (
    Canary,
    found_in,
    found_in_memory,
    found_in_numbers,
    make_canary,
    write_pictures,
)
from tests.support.mosquitto_fixtures import Broker, Recorder
from tests.support.places import ROOT
from tests.support.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIXED: Final = '[models]\nbackend = "onnxruntime"\nprecision = "fp32"'
"""Saves the timing of every backend, which is not what is tested here."""

RUN: Final = """
import sys
from pathlib import Path
from agent.settings.reading import load_settings
from agent.daemon import Daemon
daemon = Daemon(load_settings(Path(sys.argv[1])))
print("ready", flush=True)
daemon.run()
print("stopped", flush=True)
sys.stdin.readline()
"""
"""Runs the agent and then stands still with all its objects alive, as if somebody kept them."""

CRASH: Final = """
import sys
from agent.pipeline import Pipeline
def explode(self, frame):
    picture = frame.pixels
    raise RuntimeError(f"forced in {frame!r} of {self!r}, {frame}")
Pipeline.step = explode
from agent.cli import main
sys.argv = ["emotion-agent", "--verbose", "run", "--config", sys.argv[1]]
main()
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="reading another process's memory needs root")


@pytest.fixture(scope="module")
def canary() -> Canary:
    return make_canary(20_260_101)


@pytest.fixture(scope="module")
def pictures(canary: Canary, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of lossless pictures with a face and the canary."""
    data = pytest.importorskip("skimage.data", reason="the face is scikit-image's astronaut (extra: demo)")
    import cv2  # noqa: PLC0415

    face = cv2.cvtColor(data.astronaut()[20:230, 130:320], cv2.COLOR_RGB2BGR)
    face = cv2.resize(face, (110, 122), interpolation=cv2.INTER_AREA)
    return write_pictures(tmp_path_factory.mktemp("pictures"), canary, face, 60)


class Child:
    """A Python child whose output is kept."""

    def __init__(self, program: str, config: Path) -> None:
        self.errors = config.parent / "stderr.txt"
        with self.errors.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-c", program, str(config)],
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True,
            )  # fmt: skip

    def until(self, line: str) -> None:
        """Until the child has printed ``line``."""
        assert self.process.stdout is not None
        for said in self.process.stdout:
            if said.strip() == line:
                return
        pytest.fail(f"the child ended early and said:\n{self.errors.read_text()}")

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def children() -> Iterator[list[Child]]:
    """Whatever is started in a test ends with it."""
    started: list[Child] = []
    yield started
    for child in started:
        child.end()


def test_no_file_message_or_log_line_holds_a_pixel(
    broker: Broker, canary: Canary, pictures: Path, tmp_path: Path, children: list[Child]
) -> None:
    """The whole run under ``--verbose``-like logging: state folder, MQTT, output."""
    source = replay(pictures, fps=20, loop=True)
    config = write_config(tmp_path, source, broker.port, window_s=1.0, extra=FIXED)
    with Recorder(broker) as recorder:
        child = Child(RUN.replace("daemon.run()", STOPPABLE), config)
        children.append(child)
        child.until("ready")
        # Something was counted, so everything was shown.
        recorder.wait_for(lambda _: any(record.json["people"] for record in recorder.on("counts")))
        child.process.send_signal(signal.SIGTERM)
        child.until("stopped")
        recorder.wait_for(lambda records: records and records[-1].payload == b"offline")
    needles = canary.needles()
    messages = b"\n".join(record.topic.encode() + record.payload for record in recorder.records)
    assert found_in(messages, needles) == []
    assert found_in(child.errors.read_bytes(), needles) == []
    assert not found_in_numbers(child.errors.read_text(errors="replace"), canary)
    for path in (tmp_path / "state").rglob("*"):
        if path.is_file():
            assert found_in(path.read_bytes(), needles) == [], path


@pytest.mark.slow
def test_a_forced_crash_tells_the_size_of_the_picture_and_not_one_pixel(
    broker: Broker, canary: Canary, pictures: Path, tmp_path: Path, children: list[Child]
) -> None:
    config = write_config(tmp_path, replay(pictures, fps=20), broker.port, extra=FIXED)
    child = Child(CRASH, config)
    children.append(child)
    assert child.process.wait(2.0 * DEADLINE_S) not in {0, 2, 3, 4}
    said = child.errors.read_bytes()
    assert b"forced in Frame(" in said
    assert b"320x320" in said
    assert found_in(said, canary.needles()) == []
    assert not found_in_numbers(said.decode(errors="replace"), canary)


@pytest.mark.slow
@needs_root
def test_after_the_pipeline_has_stopped_its_memory_holds_no_picture(
    broker: Broker, canary: Canary, pictures: Path, tmp_path: Path, children: list[Child]
) -> None:
    """Found while it runs, which proves the search; gone once the run is over, objects still alive."""
    needles = canary.raw_needles()
    config = write_config(
        tmp_path, replay(pictures, fps=20, loop=True), broker.port, window_s=1.0, extra=FIXED
    )
    with Recorder(broker) as recorder:
        child = Child(RUN.replace("daemon.run()", STOPPABLE), config)
        children.append(child)
        child.until("ready")
        recorder.wait_for(lambda records: any("/counts/" in record.topic for record in records))
        child.process.send_signal(signal.SIGSTOP)
        try:
            hits = found_in_memory(child.process.pid, needles)
        except PermissionError:
            pytest.skip("reading the memory of an undumpable process needs CAP_SYS_PTRACE")
        assert hits, "the search finds nothing even while it runs"
        child.process.send_signal(signal.SIGCONT)
        child.process.send_signal(signal.SIGTERM)
        child.until("stopped")
    assert found_in_memory(child.process.pid, needles) == []


STOPPABLE: Final = "from agent.commands.run import stop_on_signals; stop_on_signals(daemon); daemon.run()"


def test_the_search_finds_what_it_looks_for(canary: Canary) -> None:
    """Each disguise in which pixels could leave is recognised."""
    pixels = canary.pixels
    needles = canary.needles()
    import base64  # noqa: PLC0415

    disguises = [
        pixels.tobytes(),
        b"x" + pixels[:, :, ::-1].tobytes(),
        pixels.tobytes().hex().encode(),
        base64.b64encode(pixels.tobytes()),
        base64.b64encode(b"ab" + pixels.tobytes()),
        str(pixels[8].reshape(-1).tolist()).encode(),
    ]
    for disguise in disguises:
        assert found_in(disguise, needles), disguise[:40]
    assert found_in_numbers(repr(pixels[8, 20:22]), canary)
    assert found_in(b"nothing here", needles) == []
