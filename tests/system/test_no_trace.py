"""Can it leak a face? The agent runs under strace: what it opens, writes and connects to is all on record."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.agent_process import AgentProcess, replay, write_config
from tests.support.mosquitto_fixtures import Broker
from tests.support.waiting import DEADLINE_S

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.broker

OPENED: Final = re.compile(
    r'(?:open|openat|openat2|creat)\((?:[^"]*)"(?P<path>[^"]+)", (?P<flags>[^)]*)\)\s+= \d+'
)
CHANGED: Final = re.compile(r"(?:rename\w*|unlink\w*|mkdir\w*|link\w*|symlink\w*|truncate)\(.*= 0$")
CONNECTED: Final = re.compile(r"connect\(\d+, \{sa_family=(?P<family>\w+)(?P<rest>.*)")
WRITING: Final = ("O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND", "O_TMPFILE")


@pytest.fixture(scope="module")
def trace(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, int]:
    """System calls of a whole run on a clip with faces in it, and the broker's port."""
    program = shutil.which("strace")
    if program is None:
        pytest.skip("strace is not installed (apt install strace)")
    folder = tmp_path_factory.mktemp("trace")
    record = folder / "strace.txt"
    calls = "trace=open,openat,openat2,creat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,"
    calls += "link,linkat,symlink,symlinkat,truncate,connect,memfd_create"
    with Broker(folder) as running:
        # The first window closes when the broker has long been reached: until then it would be stored.
        config = write_config(folder, replay(clip), running.port, window_s=5.0)
        # Compiled bytecode belongs to the installation: a device's unit can't write there at all.
        prefix = ["env", "PYTHONDONTWRITEBYTECODE=1", program, "-f", "-qq", "-e", calls, "-o", str(record)]
        with AgentProcess(config, prefix=prefix) as agent:
            assert agent.wait(5.0 * DEADLINE_S) == 0, agent.log
    text = record.read_text(errors="replace")
    assert str(clip) in text, "the trace does not even show the clip being read"
    return text, running.port


def test_nothing_is_opened_for_writing_while_faces_are_counted(trace: tuple[str, int]) -> None:
    written = [
        match["path"]
        for match in OPENED.finditer(trace[0])
        if any(flag in match["flags"] for flag in WRITING)
    ]
    assert [path for path in written if path != "/dev/null"] == []


def test_no_file_is_made_renamed_or_removed(trace: tuple[str, int]) -> None:
    assert [line for line in trace[0].splitlines() if CHANGED.search(line)] == []


def test_the_only_conversation_is_with_the_broker(trace: tuple[str, int]) -> None:
    text, port = trace
    peers = [match for match in CONNECTED.finditer(text) if match["family"] not in {"AF_UNSPEC", "AF_UNIX"}]
    assert peers, "the trace shows no connection to the broker"
    for peer in peers:
        assert f"htons({port})" in peer["rest"], peer[0]
        assert '"127.0.0.1"' in peer["rest"], peer[0]
