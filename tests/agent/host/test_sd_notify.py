"""Promises of the service-manager notifications, against a real datagram socket."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from agent.host.sd_notify import Notifier
from tests.support.waiting import DEADLINE_S

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def listen(address: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(address)
    listener.settimeout(DEADLINE_S)
    return listener


def test_ready_alive_and_stopping_reach_the_manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = str(tmp_path / "notify")
    with listen(address) as manager:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        notifier = Notifier()
        notifier.ready("counting")
        notifier.alive()
        notifier.stopping()
        received = [manager.recv(256).decode() for _ in range(3)]
    assert received == ["READY=1\nSTATUS=counting", "WATCHDOG=1", "STOPPING=1"]


def test_abstract_addresses_are_understood() -> None:
    name = f"emotion-agent-test-{os.getpid()}"
    with listen(f"\0{name}") as manager:
        Notifier(f"@{name}").alive()
        assert manager.recv(256) == b"WATCHDOG=1"


def test_without_a_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert Notifier().ready("counting") is None  # type: ignore[func-returns-value]


def test_a_manager_that_went_away_does_not_stop_the_agent(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    listen(address).close()
    assert Notifier(address).alive() is None  # type: ignore[func-returns-value]
