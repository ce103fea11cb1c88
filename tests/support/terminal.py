"""The real command on a terminal of its own: a test presses its keys and reads its screen."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
import threading
from typing import TYPE_CHECKING, Any, Self

import pytest

from agent.inference.bundle.place import default_bundle_folder
from tests.support.agent_process import PINNED
from tests.support.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

_LOOK_S = 0.05
WIDE = {"TERM": "xterm", "COLUMNS": "200", "LINES": "50"}


class OnTerminal:
    """``emotion-agent …`` with a pseudo-terminal as stdin, stdout, stderr and controlling terminal.

    ``program`` may be ``tests.support.film_agent``.
    """

    def __init__(self, *arguments: str, program: str = "agent", env: Mapping[str, str] | None = None) -> None:
        default_bundle_folder()
        # It makes the terminal the controlling one, whose Ctrl-C is a signal.
        self._command = ["setsid", "--ctty", sys.executable, "-m", program, *arguments]
        self._env = {**os.environ, **PINNED, **WIDE, **(env or {})}
        self.screen = ""
        self._gone = threading.Event()

    def __enter__(self) -> Self:
        self._leader, self._follower = pty.openpty()
        self.before = self.modes
        ends = dict.fromkeys(("stdin", "stdout", "stderr"), self._follower)
        self.process = subprocess.Popen(self._command, env=self._env, **ends)  # type: ignore[call-overload]
        self._collector = threading.Thread(target=self._collect, name="screen")
        self._collector.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(DEADLINE_S)
        self.hang_up()

    @property
    def modes(self) -> list[Any]:
        """How the terminal is set: echo, line by line, and so on."""
        return termios.tcgetattr(self._follower)

    def press(self, keys: str) -> None:
        """As if typed."""
        os.write(self._leader, keys.encode())

    def hang_up(self) -> None:
        """As if the connection were lost; harmless when it is."""
        if self._gone.is_set():
            return
        self._gone.set()
        self._collector.join()
        os.close(self._follower)
        os.close(self._leader)

    def shows(self, words: str) -> None:
        """Wait until the words have been on the screen."""
        wait_until(lambda: self._has_shown(words), f"{words!r} on the screen", last_words=lambda: self.screen)

    def wait(self) -> int:
        """Exit status."""
        try:
            status = int(self.process.wait(2.0 * DEADLINE_S))
        except subprocess.TimeoutExpired:
            pytest.fail(f"it did not end; its screen shows:\n{self.screen}")
        # What it wrote last is in the terminal before it has ended, and soon here.
        self._end_of_screen()
        return status

    def _end_of_screen(self) -> None:
        mark = "~ end of screen ~"
        os.write(self._follower, mark.encode())
        wait_until(lambda: mark in self.screen, "the rest of the screen")

    def _has_shown(self, words: str) -> bool:
        if words in self.screen:
            return True
        assert self.process.poll() is None, f"it ended early; its screen shows:\n{self.screen}"
        return False

    def _collect(self) -> None:
        while not self._gone.is_set():
            if select.select([self._leader], [], [], _LOOK_S)[0]:
                self.screen += os.read(self._leader, 65_536).decode(errors="replace")
