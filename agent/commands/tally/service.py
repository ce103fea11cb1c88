"""Has the service let go of its camera for a while, and starts it again however that while ends."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from agent.errors import AgentError, printable

UNIT: Final = "emotion-agent.service"
_RUNS: Final = {"active", "activating", "reloading"}
_LIMIT_S: Final = 240.0
"""Above the unit's own limits for starting and stopping."""


@contextmanager
def paused_service(say: Callable[[str], None]) -> Iterator[None]:
    """Stop the service where it runs, and start it at the end; a box without systemd has none.

    Args:
        say: Takes a sentence about what is done.

    Raises:
        AgentError: It can't be stopped, or does not start again.
    """
    if not _runs():
        yield
        return
    try:
        _systemctl("stop", "can't be paused: run this with sudo")
        say(f"{UNIT} is paused, and is started again at the end.")
        yield
    finally:
        if not _runs():
            # Starts by hand count towards the unit's limit too (StartLimitBurst, systemd.unit(5)).
            _ask("reset-failed", UNIT)
            _systemctl(
                "start", f"does not start again: see journalctl -u {UNIT}, then systemctl start {UNIT}"
            )
            say(f"{UNIT} runs again.")


def _runs() -> bool:
    if shutil.which("systemctl") is None:
        return False
    return _ask("show", "--property=ActiveState", "--value", UNIT).stdout.strip() in _RUNS


def _systemctl(verb: str, otherwise: str) -> None:
    try:
        done = _ask("--no-ask-password", verb, UNIT)
    except subprocess.TimeoutExpired:
        raise AgentError(f"{UNIT} {otherwise} (systemctl {verb} took {_LIMIT_S:.0f} s)") from None
    if done.returncode != 0:
        reason = printable(done.stderr.strip().partition("\n")[0])[:200]
        raise AgentError(f"{UNIT} {otherwise} ({reason or f'systemctl {verb} failed'})")


def _ask(*arguments: str) -> subprocess.CompletedProcess[str]:
    # In a session of its own, out of reach of the Ctrl-C that ends the tally.
    return subprocess.run(
        ["systemctl", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_LIMIT_S,
        check=False,
        start_new_session=True,
    )
