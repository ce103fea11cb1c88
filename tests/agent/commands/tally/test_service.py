"""A paused service runs again, whatever happens meanwhile; one that did not run is left alone."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from agent.commands.tally.service import paused_service
from agent.errors import AgentError, CameraError
from tests.support.stand_in_systemd import StandInSystemd

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def systemd(folder: Path, monkeypatch: pytest.MonkeyPatch, state: str = "active") -> StandInSystemd:
    made = StandInSystemd(folder / "bin", state)
    monkeypatch.setenv("PATH", made.path)
    return made


@pytest.mark.parametrize("error", [None, CameraError("dead"), KeyboardInterrupt(), SystemExit(1)])
@pytest.mark.parametrize("state", ["active", "activating"])
def test_it_is_stopped_and_started_again_whatever_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, error: BaseException | None
) -> None:
    box, said = systemd(tmp_path, monkeypatch, state), list[str]()
    with suppress(CameraError, KeyboardInterrupt, SystemExit), paused_service(said.append):
        assert box.state == "inactive"
        if error is not None:
            raise error
    assert box.state == "active"
    assert box.asked == [f"{verb} emotion-agent.service" for verb in ("stop", "reset-failed", "start")]
    assert said == [
        "emotion-agent.service is paused, and is started again at the end.",
        "emotion-agent.service runs again.",
    ]


@pytest.mark.parametrize("state", ["inactive", "failed", "deactivating", ""])
def test_one_that_does_not_run_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    box, said = systemd(tmp_path, monkeypatch, state), list[str]()
    with paused_service(said.append):
        pass
    assert (box.state, box.asked, said) == (state, [], [])


def test_a_box_without_systemd_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with paused_service(pytest.fail):
        pass


def test_who_may_not_stop_it_is_told_and_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = systemd(tmp_path, monkeypatch)
    (box.folder / "no-stop").touch()
    with (
        pytest.raises(AgentError, match=r"can't be paused: run this with sudo \(Interactive authentication"),
        paused_service(lambda _: None),
    ):
        pytest.fail("it was not paused")
    assert box.state == "active"
    assert box.asked == ["stop emotion-agent.service"]


def test_one_that_does_not_start_again_is_an_error_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = systemd(tmp_path, monkeypatch)
    (box.folder / "no-start").touch()
    with (
        pytest.raises(AgentError, match=r"does not start again: see journalctl -u emotion-agent\.service"),
        paused_service(lambda _: None),
    ):
        pass


def test_one_that_somebody_else_has_started_meanwhile_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = systemd(tmp_path, monkeypatch)
    with paused_service(lambda _: None):
        (box.folder / "state").write_text("active\n")
    assert box.asked == ["stop emotion-agent.service"]
