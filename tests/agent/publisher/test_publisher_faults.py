"""Kills, stalls, cuts and full disks: every closed window arrives, and none is invented."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from agent.publisher import delivery
from agent.publisher.outbox import Outbox
from agent.publisher.spool import FILE_NAME, Spool
from tests.agent.publisher.test_outbox import seqs, take_all, waiting
from tests.agent.publisher.test_publisher import counts, has_counts, offline_is_last, publisher_for
from tests.support.lossy_proxy import LossyProxy
from tests.support.message_samples import IDENTITY, disclosure, window
from tests.support.mosquitto_fixtures import Broker, Recorder
from tests.support.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


def child(port: int, state: Path, windows: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-m", "tests.support.publisher_process", str(port), str(state), str(windows)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def closed_before_the_kill(process: subprocess.Popen[str], after: int) -> list[tuple[str, int]]:
    """Kill -9 when ``after`` windows have been closed; the windows said to be safe until then."""
    with process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(after)]
        process.kill()
        lines += process.stdout.read().splitlines(keepends=True)
    whole = [line.split() for line in lines if line.endswith("\n") and line != "done\n"]
    return [(session, int(seq)) for session, seq in whole]


@pytest.mark.broker
def test_kill_minus_nine_while_offline_loses_no_closed_window(tmp_path: Path, state: Path) -> None:
    """Five runs are killed; the sixth delivers what they had closed, oldest first, each once.

    Unless its connection is lost, as it is where broker or machine stand still for too long: what was in
    flight is sent again then, and readers keep the first (docs/mqtt.md, "Identity").
    """
    (tmp_path / "broker").mkdir()
    late_broker = Broker(tmp_path / "broker")
    closed: list[tuple[str, int]] = []
    for after in (1, 4, 2, 7, 5):
        closed += closed_before_the_kill(child(late_broker.port, state, 100), after)
    with late_broker, Recorder(late_broker) as recorder, child(late_broker.port, state, 0) as last:
        # The file goes with the last acknowledgement; more windows may be in it than were said to be safe.
        wait_until(lambda: list(state.iterdir()) == [], "the queue file to go")
        last.send_signal(signal.SIGTERM)
        last.wait(DEADLINE_S)
        recorder.wait_for(offline_is_last)
        connections = late_broker.log.count(f" as {IDENTITY.client_id} ")
    arrived = [(message["session_id"], message["seq"]) for message in counts(recorder.records)]
    firsts = list(dict.fromkeys(arrived))
    assert firsts == sorted(firsts, key=lambda key: closed_order(closed, key))
    assert set(closed) <= set(firsts)
    # A kill may come between the disk's "safe" and the line that says so.
    assert len(set(firsts) - set(closed)) <= 5
    assert len(arrived) - len(firsts) <= delivery._HISTORICAL_IN_FLIGHT * (connections - 1)
    assert all(message["historical"] for message in counts(recorder.records))
    assert list(state.iterdir()) == []


def closed_order(closed: list[tuple[str, int]], key: tuple[str, int]) -> tuple[int, int]:
    sessions = list(dict.fromkeys(session for session, _ in closed))
    return (sessions.index(key[0]), key[1])


def test_fifty_windows_of_an_outage_survive_a_clean_restart_of_the_agent(broker: Broker, state: Path) -> None:
    broker.stop()
    first = publisher_for(broker.port, state)
    first.start()
    for seq in range(50):
        first.publish_counts(window(seq), disclosure())
    first.stop(DEADLINE_S)
    assert (state / FILE_NAME).exists()
    broker.start()
    with Recorder(broker) as recorder:
        second = publisher_for(broker.port, state)
        second.start()
        recorder.wait_for(has_counts(50))
        wait_until(lambda: second.status().queue_depth == 0, "the second publisher's queue to empty")
        second.stop(DEADLINE_S)
    arrived = counts(recorder.records)
    assert [message["seq"] for message in arrived] == list(range(50))
    assert all(message["historical"] for message in arrived)
    assert list(state.iterdir()) == []


def test_a_cut_connection_repeats_at_most_what_was_in_flight(broker: Broker, state: Path) -> None:
    """Ten cuts while windows flow: all arrive; a repeated one has the same key and says historical."""
    with LossyProxy(broker.port) as proxy, Recorder(broker) as recorder:
        publisher = publisher_for(proxy.port, state)
        publisher.start()
        for seq in range(100):
            publisher.publish_counts(window(seq), disclosure())
            if seq % 10 == 5:
                wait_until(lambda: publisher.status().connected, "the publisher to connect")
                proxy.cut()
        wait_until(lambda: publisher.status().queue_depth == 0, "the queue to empty")
        publisher.stop(DEADLINE_S)
        recorder.wait_for(lambda records: {m["seq"] for m in counts(records)} == set(range(100)))
    times = Counter(message["seq"] for message in counts(recorder.records))
    assert sum(times.values()) - 100 <= 10 * 10


def test_a_stopped_broker_is_left_and_windows_are_stored(
    broker: Broker, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that acknowledges nothing is connected in name only."""
    monkeypatch.setattr(delivery, "SECURE_AFTER_S", 0.5)
    monkeypatch.setattr(delivery, "STALL_S", 1.5)
    with Recorder(broker) as recorder:
        publisher = publisher_for(broker.port, state)
        publisher.start()
        wait_until(lambda: publisher.status().connected, "the publisher to connect")
        broker.pause()
        for seq in range(3):
            publisher.publish_counts(window(seq), disclosure())
        wait_until(lambda: publisher._route.outbox.stored == 3, "three windows to be stored")
        wait_until(lambda: not publisher.status().connected, "the publisher to notice the loss")
        publisher.publish_counts(window(3), disclosure())
        broker.resume()
        wait_until(lambda: publisher.status().queue_depth == 0, "the queue to empty")
        recorder.wait_for(lambda records: {m["seq"] for m in counts(records)} == {0, 1, 2, 3})
        publisher.stop(DEADLINE_S)
    assert list(state.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small tmpfs needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_keeps_windows_in_memory_and_stores_them_when_there_is_room(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (200 * 1024))
    outbox = Outbox(10_000, Spool(small_disk / FILE_NAME))
    for seq in range(400):
        outbox.put(waiting(seq), online=False)
    assert outbox.depth == 400
    assert outbox.stored < 400
    ballast.unlink()
    outbox.put(waiting(400), online=False)
    assert outbox.depth == 401
    assert seqs(take_all(outbox)) == list(range(401))
    outbox.close()


def fill(path: Path) -> None:
    """Until the disk is full."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as ballast:
        while ballast.write(b"x" * 4096):
            pass


@pytest.mark.slow
def test_acknowledged_windows_on_a_full_disk_are_not_sent_again(small_disk: Path) -> None:
    outbox = Outbox(10_000, Spool(small_disk / FILE_NAME))
    for seq in range(20):
        outbox.put(waiting(seq), online=False)
    fill(small_disk / "ballast")
    parcels = take_all(outbox)
    for parcel in parcels[:15]:
        outbox.acknowledge(parcel)
    outbox.release()
    assert seqs(take_all(outbox)) == [15, 16, 17, 18, 19]
    outbox.close()


def test_online_a_publisher_opens_nothing_for_writing(broker: Broker, state: Path, tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed (apt install strace)")
    trace = tmp_path / "trace"
    calls = "trace=openat,open,creat,rename,renameat2,unlink,unlinkat"
    traced = [strace, "-f", "-qq", "-e", calls, "-o", str(trace), sys.executable, "-B"]
    arguments = [
        *traced,
        "-m",
        "tests.support.publisher_process",
        str(broker.port),
        str(state),
        "60",
        "online",
    ]
    # However slowly the broker acknowledges: a window that waits for long is stored, as it should be.
    environment = os.environ | {"SOAK_SECURE_AFTER_S": "inf"}
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        seen = list(itertools.takewhile(lambda line: line != "done\n", process.stdout))
        os.kill(traced_child(process.pid), signal.SIGTERM)
    assert len(seen) == 60
    traced_calls = trace.read_text().splitlines()
    assert any("outbox" in line for line in traced_calls), "the trace shows nothing"
    written = [
        line
        for line in traced_calls
        if any(mark in line for mark in ("O_WRONLY", "O_RDWR", "O_CREAT", "creat(", "rename", "unlink"))
        and '"/dev/' not in line
    ]
    assert written == []


def traced_child(strace_pid: int) -> int:
    return int(subprocess.check_output(["pgrep", "-P", str(strace_pid)], text=True).split()[0])
