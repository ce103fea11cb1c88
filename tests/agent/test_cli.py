"""Promises of the command line: one sentence per error, the right exit status, tracebacks only on request."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.ports import free_port
from tests.support.waiting import DEADLINE_S

if TYPE_CHECKING:
    from tests.support.mosquitto_fixtures import Broker


def agent(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agent", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=2.0 * DEADLINE_S, check=False)


@pytest.mark.slow
def test_help_names_every_command() -> None:
    shown = agent("--help").stdout
    for command in ("run", "check", "demo", "doctor", "tally", "bench", "notice", "watch", "simulate"):
        assert command in shown


@pytest.mark.slow
def test_an_error_is_a_sentence_and_a_traceback_only_when_asked_for(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.toml")
    quiet, verbose = agent("check", "-c", missing), agent("--verbose", "check", "-c", missing)
    assert quiet.returncode == verbose.returncode == 2
    assert quiet.stderr == f"error: configuration file {missing} does not exist; name one with --config\n"
    assert "Traceback" in verbose.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("watch", "--host", "broker.example", "--password-file", "/nowhere"), "/nowhere"),
        (("simulate", "--host", "broker.example"), "--allow-remote"),
        (("simulate", "--devices", "1000000"), "--devices"),
        (("watch", "--site", "+/#"), "--site '+/#' is no name"),
        (("watch", "--device", "box/1"), "--device 'box/1' is no name"),
        (("watch", "--root", "#"), "root = '#' is not valid"),
        (("watch", "--password-file", "/dev/zero"), "is no regular file"),
        (("bench", "--faces", "5,many"), "--faces 5,many can't be drawn"),
    ],
)
def test_wrong_options_exit_2_and_are_named(arguments: tuple[str, ...], words: str) -> None:
    result = agent(*arguments)
    assert (result.returncode, words in result.stderr) == (2, True), result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_watching_a_broker_that_is_not_there_says_so() -> None:
    result = agent("watch", "--port", str(free_port()), "--seconds", "5")
    assert result.returncode == 1
    assert "is not listening" in result.stderr


def test_simulated_devices_are_seen_by_watch(broker: Broker) -> None:
    options = ["--devices", "5", "--windows", "2", "--window-s", "0.5", "--port", str(broker.port)]
    watch = ["watch", "--json", "--port", str(broker.port), "--seconds", str(3.0 * DEADLINE_S)]
    with subprocess.Popen(
        [sys.executable, "-m", "agent", *watch], stdout=subprocess.PIPE, text=True
    ) as watching:
        try:
            broker.wait_for_subscription("emotion-agent/v1/+/+/#")
            result = agent("simulate", *options)
            assert result.returncode == 0, result.stderr
            assert watching.stdout is not None
            assert any('"site":"simulated"' in line for line in watching.stdout)
        finally:
            watching.terminate()


@pytest.mark.slow
def test_what_the_system_refuses_is_a_sentence_too() -> None:
    """Such as to write to a full disk."""
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "agent", "version"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: the system refused: No space left")
    assert "Traceback" not in done.stderr
