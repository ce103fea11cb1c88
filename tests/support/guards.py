"""What no test may do: start a child process unmarked, lose a log line, or leave a handler behind."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

MAY_START: Final = ("broker", "camera", "train", "slow", "hardware")
"""Only tests with one of these markers may start a child process; ``make quick`` leaves them out."""
_STARTS: Final = {"subprocess.Popen", "os.system", "os.posix_spawn", "os.fork", "os.forkpty"}

_forbidden: list[str] = []
"""The running test, where it may start nothing."""


def pytest_configure() -> None:
    """Watch the interpreter for new processes, and loggers for lines that can't be written."""
    sys.addaudithook(_refuse_child)
    pytest.MonkeyPatch().setattr(logging.Handler, "handleError", _raise)


def _refuse_child(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _STARTS and _forbidden:
        command = arguments[1] if event == "subprocess.Popen" else event
        pytest.fail(f"{_forbidden[0]} starts {command}: give it one of the markers {', '.join(MAY_START)}")


def _raise(_handler: logging.Handler, _record: logging.LogRecord) -> None:
    """Instead of "--- Logging error ---" on a stream that nobody reads."""
    raise  # noqa: PLE0704 - called while the error is handled


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Remember an unmarked test, its fixtures included."""
    if not any(map(item.get_closest_marker, MAY_START)):
        _forbidden.append(item.nodeid)
    try:
        return (yield)
    finally:
        _forbidden.clear()


@pytest.fixture(autouse=True)
def _root_logger_as_before() -> Iterator[None]:
    """A handler that a command has set up writes to a stream that is closed after the test."""
    yield
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if type(handler) is logging.StreamHandler:
            root.removeHandler(handler)
            handler.close()
