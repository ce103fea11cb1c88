"""The real agent in a child process, with its configuration file and everything it says."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

import pytest

from agent.inference.bundle.place import default_bundle_folder
from tests.support.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    import signal
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

CONFIG = """
[deployment]
site = "lab"
device = "box-1"
context = "research"

[sources.door]
{source}

[privacy]
window_s = {window_s}
min_count = 1
acknowledge_individual_counts = true

[mqtt]
host = "127.0.0.1"
port = {port}

[latency]
budget_ms = 10000

[health]
interval_s = 1

[state]
directory = "{state}"
{extra}
"""


def write_config(folder: Path, source: str, port: int, *, window_s: float = 2.0, extra: str = "") -> Path:
    """A configuration of one source ``door`` in ``folder``; state goes to ``folder/state``.

    With a budget that a busy machine keeps, so that no frame is too old and no tier too slow.
    """
    state = folder / "state"
    state.mkdir(exist_ok=True)
    path = folder / "config.toml"
    path.write_text(CONFIG.format(source=source, port=port, window_s=window_s, state=state, extra=extra))
    return path


def replay(path: Path, **options: Any) -> str:
    """Lines of a ``replay`` source table."""
    lines = ['type = "replay"', f'path = "{path}"']
    lines += [f"{key} = {str(value).lower()}" for key, value in options.items()]
    return "\n".join(lines)


PINNED = {"EMOTION_AGENT_MODELS__BACKEND": "onnxruntime", "EMOTION_AGENT_MODELS__PRECISION": "int8_u8s8"}
"""Nothing to choose, so that no start waits for trials; ``test_selection`` is about those."""
NOT_ON_A_DEVICE = {"NOTIFY_SOCKET", "CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS"}
"""Runtimes keep quiet where they find some of these; the agent must be quiet without them."""


class AgentProcess:
    """``emotion-agent <command> --config …``, ended with the test at the latest.

    ``program`` may be ``tests.support.film_agent``.
    """

    def __init__(
        self, config: Path, command: str = "run", *, prefix: Sequence[str] = (), program: str = "agent"
    ) -> None:
        default_bundle_folder()
        self._log_path = config.parent / f"{command}.log"
        self._arguments = [*prefix, sys.executable, "-m", program, command, "--config", str(config)]

    def __enter__(self) -> Self:
        with self._log_path.open("wb") as log:
            environment = {key: value for key, value in os.environ.items() if key not in NOT_ON_A_DEVICE}
            environment |= PINNED
            self.process = subprocess.Popen(self._arguments, stdout=log, stderr=log, env=environment)
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

    @property
    def log(self) -> str:
        """Everything it has said so far."""
        return self._log_path.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def wait(self, timeout_s: float = 2.0 * DEADLINE_S) -> int:
        """Exit status; the log is shown when it does not end in time."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the agent did not end within {timeout_s} s; it said:\n{self.log}")

    def wait_for_log(self, words: str) -> None:
        """Until it has said ``words``."""
        wait_until(lambda: self._said(words), f"{words!r} to be said", last_words=lambda: self.log)

    def _said(self, words: str) -> bool:
        if words in self.log:
            return True
        assert self.process.poll() is None, f"the agent ended early and said:\n{self.log}"
        return False
