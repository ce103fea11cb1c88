"""An agent that has lost one of its threads ends, so that it is started anew; what it counted is stored."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
from typing import TYPE_CHECKING

import pytest

from agent.publisher.spool import FILE_NAME
from tests.support.agent_process import AgentProcess, replay, write_config
from tests.support.mosquitto_fixtures import Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.mosquitto_fixtures import Broker

PROGRAM = "tests.support.mortal_agent"


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def stored(folder: Path) -> list[int]:
    with contextlib.closing(sqlite3.connect(folder / "state" / FILE_NAME)) as queue:
        payloads = queue.execute("SELECT payload FROM windows ORDER BY number").fetchall()
    return [json.loads(payload)["seq"] for (payload,) in payloads]


@pytest.fixture
def closed_folder(tmp_path: Path) -> Iterator[Path]:
    """The state folder, which nobody may look into."""
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(0)
    yield folder
    folder.chmod(0o700)


def without_privilege() -> list[str]:
    """How to start a program to which permissions apply."""
    if os.geteuid() != 0:
        return []
    program = shutil.which("setpriv")
    if program is None:
        pytest.skip("setpriv is not installed (apt install util-linux)")
    powers = "-dac_override,-dac_read_search"
    return [program, f"--bounding-set={powers}", f"--inh-caps={powers}"]


@pytest.mark.usefixtures("closed_folder")
def test_with_a_state_folder_that_can_not_be_looked_into_windows_are_sent(
    broker: Broker, clip: Path, tmp_path: Path
) -> None:
    config = write_config(tmp_path, replay(clip, loop=True), broker.port, window_s=1.0)
    with Recorder(broker) as recorder, AgentProcess(config, prefix=without_privilege()) as agent:
        recorder.wait_for(lambda _: len(recorder.on("counts")) >= 2)
        agent.signal(signal.SIGTERM)
        assert agent.wait() == 0, agent.log


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mqtt", "mqtt-connect", "capture-door", "pipeline"])
def test_a_thread_that_dies_ends_the_agent_with_one_sentence_and_the_open_window_is_stored(
    clip: Path, tmp_path: Path, silent_port: int, name: str
) -> None:
    config = write_config(tmp_path, replay(clip, loop=True), silent_port, window_s=3600.0)
    with AgentProcess(config, program=PROGRAM) as agent:
        agent.wait_for_log("delivers")
        (tmp_path / "kill").write_text(name)
        assert agent.wait() == 1, agent.log
    assert [line for line in agent.log.splitlines() if f"error: thread {name} died of" in line], agent.log
    assert "Traceback" not in agent.log
    assert stored(tmp_path) == [0]


@pytest.mark.slow
def test_a_delivery_that_hangs_ends_the_agent_with_one_sentence_and_the_open_window_is_stored(
    clip: Path, tmp_path: Path, silent_port: int
) -> None:
    """The broker does not answer for longer than any of its ways could take."""
    config = write_config(tmp_path, replay(clip, loop=True), silent_port, window_s=3600.0)
    (tmp_path / "stuck_s").write_text("0.5")
    with AgentProcess(config, program=PROGRAM) as agent:
        assert agent.wait() == 1, agent.log
    assert "error: delivery to 127.0.0.1 has hung" in agent.log
    assert "Traceback" not in agent.log
    assert stored(tmp_path) == [0]
