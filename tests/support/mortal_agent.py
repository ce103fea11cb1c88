"""The agent, of which a thread dies: ``python -m tests.support.mortal_agent run --config CONFIG``.

Beside the configuration, a file ``kill`` names the thread; a file ``stuck_s`` shortens the patience with one
that hangs.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from pathlib import Path

from agent.cli import main
from agent.publisher import thread
from tests.support.waiting import DEADLINE_S, wait_until

FOLDER = Path(sys.argv[-1]).parent


class DiedError(BaseException):
    """Nothing that a thread would catch."""


def kill() -> None:
    """Raise it in the named thread, between two of its steps."""
    order = FOLDER / "kill"
    wait_until(lambda: order.exists() and order.read_text(), "somebody to be killed", 2 * DEADLINE_S)
    name = order.read_text()
    wait_until(lambda: idents(name), "the victim")
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(idents(name)[0]), ctypes.py_object(DiedError))


def idents(name: str) -> list[int]:
    """Of the threads of that name."""
    return [one.ident for one in threading.enumerate() if one.name == name and one.ident is not None]


if __name__ == "__main__":
    if (patience := FOLDER / "stuck_s").exists():
        thread.STUCK_S = float(patience.read_text())  # type: ignore[misc]
    else:
        threading.Thread(target=kill, daemon=True).start()
    main()
