"""An agent that has lost one of its threads ends, so that it is started anew; what it counted is stored."""

from __future__ import annotations

import contextlib
import json
import socket
import sqlite3
from typing import TYPE_CHECKING

import pytest

from agent.publisher.spool import FILE_NAME
from tests.support.agent_process import AgentProcess, replay, write_config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
