"""Tests wait for states, not for times: the deadline is only for what will never happen."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

DEADLINE_S: Final = 60.0
"""Far beyond what a busy machine needs; nothing that works waits this long."""
_PAUSE_S: Final = 0.01


def wait_until(
    condition: Callable[[], object],
    what: str,
    deadline_s: float = DEADLINE_S,
    last_words: Callable[[], object] | None = None,
) -> None:
    """Look again and again until it holds.

    Args:
        condition: Looked at every hundredth of a second.
        what: Words that finish "waited in vain for …".
        deadline_s: After which the test fails.
        last_words: Asked then for what the failure should add.
    """
    by_s = time.monotonic() + deadline_s
    pause = threading.Event()
    while not condition():
        if time.monotonic() >= by_s:
            added = "" if last_words is None else f":\n{last_words()}"
            pytest.fail(f"waited {deadline_s:.0f} s in vain for {what}{added}")
        pause.wait(_PAUSE_S)
