"""One key at a time from a terminal, without Enter and without showing it."""

from __future__ import annotations

import codecs
import os
import re
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, Self

from agent.errors import AgentError, ConfigError

BACKSPACE: Final = frozenset("\b\x7f")
_KEY: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.)?|.", re.DOTALL)
"""A character, or the sequence that an arrow or function key sends (ECMA-48, section 5.4)."""
_ENDS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Keys:
    """What is typed on stdin, which is a terminal; entered, each key comes at once.

    Raises:
        ConfigError: On entering: stdin is no terminal.
    """

    def __init__(self) -> None:
        self._terminal = 0
        self._before: list[Any] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def __enter__(self) -> Self:
        try:
            self._terminal = sys.stdin.fileno()
            self._before = termios.tcgetattr(self._terminal)
        except (OSError, ValueError, AttributeError, termios.error):
            raise ConfigError("keys are counted, and stdin is no terminal: run it on one (ssh -t)") from None
        tty.setcbreak(self._terminal)
        # A key that raises a signal takes back what was typed before it, even between being told of a key and
        # reading it: a read that waited would then wait for ever, deaf to the signal.
        modes = termios.tcgetattr(self._terminal)
        modes[6][termios.VMIN] = 0
        termios.tcsetattr(self._terminal, termios.TCSANOW, modes)
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(termios.error):  # it has gone
            # What was typed too late is for nobody: not for the shell either.
            termios.tcsetattr(self._terminal, termios.TCSAFLUSH, self._before)

    def read(self, timeout_s: float) -> list[str]:
        """The keys that were pressed since, or within the timeout if none was.

        Raises:
            AgentError: The terminal has gone.
        """
        if not select.select([self._terminal], [], [], timeout_s)[0]:
            return []
        try:
            typed = os.read(self._terminal, 1_024)
        except OSError:
            typed = b""
        if not typed and self._has_gone():
            raise AgentError("the terminal has gone: nothing was compared; count again")
        return _KEY.findall(self._decoder.decode(typed))

    def _has_gone(self) -> bool:
        watched = select.poll()
        watched.register(self._terminal, 0)
        return bool(watched.poll(0))


@contextmanager
def signals_told() -> Iterator[Callable[[], int]]:
    """While entered, a signal that would end this process is only told of: 0, or the number of the first.

    Whoever paused something can put it right in order. Ctrl-Z does nothing meanwhile.
    """
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in _ENDS}
    before[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    try:
        yield lambda: came[0] if came else 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
