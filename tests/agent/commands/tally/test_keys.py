"""Keys come one by one, and the terminal is afterwards as it was."""

from __future__ import annotations

import os
import pty
import select
import signal
import termios
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent.commands.tally.keys import Keys, signals_told
from agent.errors import AgentError, ConfigError
from tests.support.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The end at which keys are pressed; the other one is stdin."""
    leader, follower = pty.openpty()
    with os.fdopen(follower) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield leader
    os.close(leader)


def modes() -> list[object]:
    import sys  # noqa: PLC0415 - as it stands now

    return termios.tcgetattr(sys.stdin)


def test_a_key_comes_at_once_and_an_arrow_is_one_key(terminal: int) -> None:
    with Keys() as keys:
        for typed in (" ", "é", "\x1b[A", "\x1bOP", "\x1b[1;5C", "\x7f", "\r"):
            os.write(terminal, typed.encode())
            assert keys.read(DEADLINE_S) in ([typed], ["\n"])
        assert keys.read(0.0) == []


def test_a_letter_whose_bytes_come_apart_is_one_key(terminal: int) -> None:
    with Keys() as keys:
        os.write(terminal, "é".encode()[:1])
        assert keys.read(DEADLINE_S) == []
        os.write(terminal, "é".encode()[1:])
        assert keys.read(DEADLINE_S) == ["é"]


def test_a_key_that_a_signal_takes_back_is_none_and_nobody_waits_for_it(
    terminal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between being told of a key and reading it the terminal forgets it, as it does at Ctrl-C."""
    told = select.select

    def told_and_taken_back(*arguments: Any) -> Any:
        ready = told(*arguments)
        termios.tcflush(arguments[0][0], termios.TCIFLUSH)
        return ready

    with Keys() as keys:
        os.write(terminal, b"a")
        with monkeypatch.context() as patch:
            patch.setattr(select, "select", told_and_taken_back)
            assert keys.read(DEADLINE_S) == []
        os.write(terminal, b"b")
        assert keys.read(DEADLINE_S) == ["b"]


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_the_terminal_is_as_it_was_whatever_happens(error: type[BaseException] | None) -> None:
    before = modes()
    try:
        with Keys():
            assert modes() != before
            if error is not None:
                raise error
    except (ValueError, KeyboardInterrupt):
        pass
    assert modes() == before


def test_where_stdin_is_no_terminal_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/null").open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        with pytest.raises(ConfigError, match="stdin is no terminal"), Keys():
            pass
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(ConfigError, match="stdin is no terminal"), Keys():
        pass


def test_a_terminal_that_goes_ends_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    leader, follower = pty.openpty()
    with os.fdopen(follower) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        with Keys() as keys:
            os.close(leader)
            with pytest.raises(AgentError, match="the terminal has gone"):
                keys.read(DEADLINE_S)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_is_told_and_ends_nothing(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with signals_told() as came:
        assert came() == 0
        signal.raise_signal(number)
        signal.raise_signal(signal.SIGTSTP)
        signal.raise_signal(signal.SIGTERM)
        assert came() == number
    assert came() == number
    assert signal.getsignal(number) == before
