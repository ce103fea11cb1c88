"""What no test may do: start a child process unmarked, lose a log line, or leave a handler behind."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTSIDE: Final = ("broker", "camera", "train", "slow")
"""``make quick`` leaves tests with one of these markers out, and only they may start a child process."""
_STARTS: Final = {"subprocess.Popen", "os.system", "os.posix_spawn", "os.fork", "os.forkpty"}

_unmarked: list[str] = []  # the running test, where it may not start a child process
_started: list[str] = []  # what it has started nevertheless


def pytest_configure() -> None:
    """Watch the interpreter for new processes, and loggers for lines that can't be written."""
    sys.addaudithook(_refuse_child)
    pytest.MonkeyPatch().setattr(logging.Handler, "handleError", _raise)


def _refuse_child(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _STARTS and _unmarked:
        import os
        with open("/tmp/h1_children.txt", "a") as f: f.write(f"{_unmarked[0]}\t{arguments[1:2]}\n")


def _raise(_handler: logging.Handler, _record: logging.LogRecord) -> None:
    raise  # noqa: PLE0704 - called while the error is handled


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    _unmarked[:] = [item.nodeid]
    result = yield
    _unmarked.clear()
    return result


@pytest.fixture(autouse=True)
def _loggers_as_before() -> Iterator[None]:
    """A handler that a command has set up writes to a stream that is closed after the test."""
    yield
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if type(handler) is logging.StreamHandler:
            root.removeHandler(handler)
