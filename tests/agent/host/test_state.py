"""Where what has to outlive the agent is kept; without such a place it runs on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.host import state_directory
from agent.settings import AgentSettings


def settings(directory: str | None = None) -> AgentSettings:
    return AgentSettings.model_validate(
        {
            "deployment": {"site": "a", "device": "b", "context": "demo"},
            "sources": {"door": {"type": "opencv", "device": 0}},
            "state": {"directory": directory},
        }
    )


def test_a_user_without_a_home_keeps_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)  # whom no list of users knows
    assert state_directory(settings()) is None
    assert "unsent windows wait in memory" in caplog.text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("directory", ["a\0b", "/" + "d" * 5_000, "/dev/null/x"])
def test_a_place_that_can_not_be_made_keeps_nothing(directory: str) -> None:
    assert state_directory(settings(directory)) is None
