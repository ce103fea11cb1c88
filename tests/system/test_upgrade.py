"""What the release before has left on a device is taken up by this one."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from typing import TYPE_CHECKING

import pytest

from agent.publisher.spool import FILE_NAME
from agent.settings import load_settings
from tests.support.agent_process import AgentProcess, replay, write_config
from tests.support.mosquitto_fixtures import Recorder
from tests.support.places import RELEASE_0_1

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.mosquitto_fixtures import Broker


def test_a_configuration_of_release_0_1_is_understood() -> None:
    settings = load_settings(RELEASE_0_1 / "config.toml")
    assert settings.deployment.device == "entrance-1"
    assert set(settings.sources) == {"entrance", "hall", "recording"}


@pytest.mark.slow
def test_windows_that_release_0_1_could_not_send_are_sent_after_the_upgrade(
    broker: Broker, clip: Path, tmp_path: Path
) -> None:
    config = write_config(tmp_path, replay(clip, loop=True), broker.port)
    for left in RELEASE_0_1.iterdir():
        shutil.copy(left, tmp_path / "state")
    with contextlib.closing(sqlite3.connect(RELEASE_0_1 / FILE_NAME)) as queue:
        waiting = queue.execute("SELECT source, payload FROM windows ORDER BY number").fetchall()
    with Recorder(broker) as recorder, AgentProcess(config) as agent:
        recorder.wait_for(lambda _: sum(r.json["historical"] for r in recorder.on("counts")) >= len(waiting))
        assert agent.process.poll() is None, agent.log
    arrived = [(r.topic.rpartition("/")[2], r.payload.decode()) for r in recorder.on("counts")]
    assert [window for window in arrived if window in waiting] == waiting
