"""Whatever becomes of the queue file: new windows get out, nothing else than was put, and losses are told."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from agent.errors import BrokenThreadError
from agent.publisher import queue_file, thread
from agent.publisher.outbox import Outbox
from agent.publisher.spool import FILE_NAME, Spool
from tests.agent.publisher.test_publisher import counts, has_counts, publisher_for
from tests.support import damage
from tests.support.message_samples import disclosure, window
from tests.support.mosquitto_fixtures import Recorder
from tests.support.places import RELEASE_0_1
from tests.support.ports import free_port
from tests.support.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.mosquitto_fixtures import Broker

VERSION_1 = RELEASE_0_1 / FILE_NAME
"""24 windows of two sessions and two sources."""


def edit(path: Path, change: str, row: int | None = None) -> None:
    """Change one row of a queue file, or all."""
    statement = f"UPDATE windows SET {change} WHERE number = coalesce(?, number)"  # noqa: S608
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(statement, (row,))


def send(path: Path) -> tuple[list[tuple[str, int]], Outbox]:
    """Source and number of all that a new run sends: what it finds, and a window that closes meanwhile."""
    outbox = Outbox(1000, Spool(path))
    outbox.load()
    outbox.put(damage.sample(0, "new"), online=True)
    sent = [(parcel.window.source, parcel.window.message.seq) for parcel in damage.send_all(outbox)]
    outbox.close()
    return sent, outbox


ONE_ROW = {
    "text that is none": "payload = CAST(x'7b22ff' AS TEXT)",
    "another count": "payload = replace(payload, '\"people\":7', '\"people\":8')",
    "counts that still add up": "payload = replace(replace(payload, '\"happiness\":7', '\"happiness\":6'),"
    " '\"fear\":0', '\"fear\":1')",
    "another number": "payload = replace(payload, '\"seq\":2', '\"seq\":12')",
    "a wildcard": "source = 'door/#'",
    "a source that is no text": "source = CAST(x'ff' AS TEXT)",
    "a time of no clock": "opened_at_s = -1e300, closed_at_s = 1e300",
    "an infinite time": "closed_at_s = 9e999",
    "a time that is no number": "opened_at_s = 'yesterday'",
    "another boot": "boot_id = 'this boot'",
    "no checksum": "checksum = NULL",
    "a row below all others": "number = -9223372036854775808",
    "a row number without a next": "number = 9223372036854775807",
    "a row elsewhere": "number = 1000",
}


@pytest.mark.parametrize("change", ONE_ROW.values(), ids=list(ONE_ROW))
def test_a_changed_row_is_given_up_and_counted_and_all_others_are_sent_once(
    tmp_path: Path, change: str
) -> None:
    path = tmp_path / FILE_NAME
    damage.fill(path, 6)
    edit(path, change, row=3)
    sent, outbox = send(path)
    assert sent == [("door", 0), ("door", 1), ("door", 3), ("door", 4), ("door", 5), ("new", 0)]
    assert (outbox.damaged, outbox.dropped, outbox.depth) == (1, 0, 0)
    assert not path.exists()
    assert len(list(tmp_path.glob("*.damaged*"))) == 1, "it is kept for inspection"


def test_damaged_rows_are_said_once_and_kept_in_a_file_of_bounded_size(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / FILE_NAME
    damage.fill(path, 30)
    edit(path, "payload = hex(zeroblob(300000))")
    sent, outbox = send(path)
    assert (sent, outbox.damaged) == ([("new", 0)], 30)
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1
    assert 600_000 < (tmp_path / f"{FILE_NAME}.damaged-rows").stat().st_size < 2_200_000


def test_the_whole_windows_of_a_damaged_file_are_sent_and_the_rest_is_kept(tmp_path: Path) -> None:
    """A leaf of the tree is zeroed: the windows before and behind it are read from either end."""
    path = tmp_path / FILE_NAME
    damage.fill(path, 60)
    content = bytearray(path.read_bytes())
    content[4 * 4096 : 5 * 4096] = bytes(4096)
    path.write_bytes(content)
    sent, outbox = send(path)
    assert sent[-1] == ("new", 0)
    assert 40 <= len(sent) - 1 < 60
    assert sent == sorted(set(sent))
    assert outbox.damaged >= 1
    assert (tmp_path / f"{FILE_NAME}.damaged").read_bytes() == bytes(content)


def test_a_file_that_can_only_be_read_any_more_is_replaced(tmp_path: Path) -> None:
    """One bit of the header, and each window would wait in memory, where a power cut takes it."""
    path = tmp_path / FILE_NAME
    damage.fill(path, 6)
    content = bytearray(path.read_bytes())
    content[18] ^= 16
    path.write_bytes(content)
    outbox = Outbox(1000, Spool(path))
    outbox.load()
    outbox.put(damage.sample(6), online=False)
    assert outbox.stored == 7
    assert [parcel.window.message.seq for parcel in damage.send_all(outbox)] == list(range(7))
    assert not path.exists()


def test_a_file_damaged_behind_the_agents_back_costs_no_new_window(tmp_path: Path) -> None:
    """Rows that can't be read any more, once more than the memory of SQLite holds has gone by."""
    path = tmp_path / FILE_NAME
    spool = Spool(path)
    outbox = Outbox(10_000, spool)
    for seq in range(20):
        outbox.put(damage.sample(seq), online=False)
    spool.close()
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 40_000)
    outbox.put(damage.sample(20), online=False)
    outbox.put(damage.sample(21), online=False)
    sent = [parcel.window.message.seq for parcel in damage.send_all(outbox)]
    assert sent[-2:] == [20, 21]
    assert outbox.damaged >= 20 - len(sent[:-2])


def test_a_damaged_log_of_a_killed_run_is_told(tmp_path: Path) -> None:
    """SQLite leaves out, without a word, all that follows the damage."""
    running = tmp_path / "running"
    running.mkdir()
    outbox = Outbox(1000, Spool(running / FILE_NAME))
    for seq in range(20):
        outbox.put(damage.sample(seq), online=False)
    shutil.copytree(running, tmp_path / "killed")
    outbox.close()
    log = tmp_path / "killed" / f"{FILE_NAME}-wal"
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 1
    log.write_bytes(content)
    sent, again = send(tmp_path / "killed" / FILE_NAME)
    assert sent == [*(("door", seq) for seq in range(len(sent) - 1)), ("new", 0)]
    assert 5 < len(sent) - 1 < 15
    assert again.damaged >= 1


@pytest.mark.parametrize(
    ("code", "stays"),
    [
        (sqlite3.SQLITE_FULL, False),
        (sqlite3.SQLITE_BUSY, False),
        (sqlite3.SQLITE_IOERR_WRITE, False),
        (sqlite3.SQLITE_READONLY_DIRECTORY, False),
        (sqlite3.SQLITE_IOERR_READ, True),
        (sqlite3.SQLITE_CORRUPT_SEQUENCE, True),
        (sqlite3.SQLITE_ERROR, True),
    ],
)
def test_a_disk_is_waited_for_and_a_sector_that_can_not_be_read_is_not(code: int, stays: bool) -> None:  # noqa: FBT001
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    assert queue_file.is_damage(error) is stays


@pytest.mark.slow
def test_random_damage_blocks_nothing_and_alters_nothing(tmp_path: Path) -> None:
    """The 2,000 of ``python -m tests.support.damage``, shortened."""
    damage.fill(tmp_path / "master")
    verdict = damage.Verdict()
    for number in range(60):
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        damage.try_one(Random(f"short/{number}"), tmp_path / "master", folder, verdict)  # noqa: S311
    failed = (verdict.blocked, verdict.unstored, verdict.altered, verdict.repeated, verdict.silent)
    assert failed == (0, 0, 0, 0, 0), verdict
    assert verdict.whole > 60 * damage.WINDOWS / 2


@pytest.mark.parametrize("number", range(3))
def test_behind_a_damaged_file_a_publisher_sends_what_is_whole_and_every_new_window(
    broker: Broker, tmp_path: Path, number: int
) -> None:
    path = tmp_path / FILE_NAME
    damage.fill(path)
    damage.corrupt(Random(f"broker/{number}"), path)  # noqa: S311
    with Recorder(broker) as recorder:
        publisher = publisher_for(broker.port, tmp_path)
        publisher.start()
        wait_until(lambda: publisher.status().connected, "the publisher to connect")
        for seq in range(3):
            publisher.publish_counts(window(seq, "new"), disclosure())
        wait_until(lambda: publisher.status().queue_depth == 0, "the queue to empty")
        recorder.wait_for(lambda records: sum(r.topic.endswith("/new") for r in records) == 3)
        publisher.stop(DEADLINE_S)
    arrived = [r.json for r in recorder.records if r.topic.endswith("/door")]
    put = {seq: damage.sample(seq).message for seq in range(damage.WINDOWS)}
    assert max(Counter(message["seq"] for message in arrived).values(), default=1) == 1
    for message in arrived:
        assert message["historical"]
        assert message["people"] == put[message["seq"]].model_dump()["people"]
    assert len(arrived) == damage.WINDOWS or publisher.status().damaged > 0


def test_a_window_that_can_not_be_sent_is_given_up_and_the_next_one_arrives(broker: Broker) -> None:
    with Recorder(broker) as recorder:
        publisher = publisher_for(broker.port)
        publisher.start()
        wait_until(lambda: publisher.status().connected, "the publisher to connect")
        publisher.publish_counts(window(0, "door/#"), disclosure())
        publisher.publish_counts(window(1), disclosure())
        recorder.wait_for(has_counts(1))
        wait_until(lambda: publisher.status().queue_depth == 0, "the queue to empty")
        assert (publisher.status().dropped, publisher.status().damaged) == (1, 1)
        publisher.stop(DEADLINE_S)
    assert [message["seq"] for message in counts(recorder.records)] == [1]


# --- what the release before has left ---------------------------------------------------------------------


def rows_of_version_1(path: Path) -> Iterator[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as database:
        yield from database.execute("SELECT source, payload FROM windows ORDER BY number").fetchall()


def test_windows_that_the_release_before_has_stored_are_sent_once_in_order(tmp_path: Path) -> None:
    path = Path(shutil.copy(VERSION_1, tmp_path / FILE_NAME))
    expected = list(rows_of_version_1(path))
    outbox = Outbox(1000, Spool(path))
    outbox.load()
    assert outbox.depth == 24
    outbox.put(damage.sample(0), online=True)
    sent = [(p.window.source, p.window.message.payload().decode()) for p in damage.send_all(outbox)]
    assert sent[:-1] == expected
    assert (outbox.damaged, outbox.dropped, outbox.depth) == (0, 0, 0)
    assert list(tmp_path.iterdir()) == []


def test_an_upgrade_that_is_killed_begins_again(tmp_path: Path) -> None:
    path = Path(shutil.copy(VERSION_1, tmp_path / FILE_NAME))
    with closing(queue_file._connected(path)) as database:
        database.execute("BEGIN IMMEDIATE")
        queue_file._upgrade(database, 1)  # and no commit
    outbox = Outbox(1000, Spool(path))
    outbox.load()
    assert len(damage.send_all(outbox)) == 24
    outbox.close()


@pytest.mark.parametrize(
    "change",
    [
        "payload = CAST(x'ff' AS TEXT)",
        "payload = replace(payload, '\"seq\":8', '\"seq\":9')",
        "payload = replace(payload, '\"happiness\":2', '\"happiness\":3')",
        "payload = replace(payload, '2026-11-22T06:05', '2026-11-22T06:04')",
        "source = '#'",
        "opened_at_s = 1e300",
        "closed_at_s = -5",
        "number = 9223372036854775807",
    ],
)
def test_a_row_without_a_checksum_is_checked_as_well_as_can_be(tmp_path: Path, change: str) -> None:
    """Nothing is blocked, and of two rows for one window neither is believed."""
    path = Path(shutil.copy(VERSION_1, tmp_path / FILE_NAME))
    before = dict.fromkeys(rows_of_version_1(path))
    edit(path, change, row=4)
    outbox = Outbox(1000, Spool(path))
    outbox.load()
    outbox.put(damage.sample(0, "new"), online=True)
    sent = []
    while (parcel := outbox.take()) is not None:
        if parcel.window.source == "#":
            outbox.set_aside(parcel, ValueError("no topic"))  # as delivery does
            continue
        outbox.acknowledge(parcel)
        sent.append((parcel.window.source, parcel.window.message.payload().decode()))
    outbox.settle()
    old = [window for window in sent if window[0] != "new"]
    assert set(old) <= set(before)
    assert len(old) == len(set(old)) >= 22
    assert len(sent) == len(old) + 1
    assert outbox.damaged >= 24 - len(old)
    outbox.close()


# --- threads ----------------------------------------------------------------------------------------------


def test_windows_of_a_file_that_was_in_use_at_the_start_go_before_the_next_window(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    holder = Spool(path)
    holder.append([damage.sample(0)])
    outbox = Outbox(1000, Spool(path))
    outbox.load()
    assert outbox.depth == 0
    holder.close()
    outbox.put(damage.sample(1), online=True)
    assert [parcel.window.message.seq for parcel in damage.send_all(outbox)] == [0, 1]
    outbox.close()


def test_a_broker_that_is_not_there_is_no_hanging_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread, "STUCK_S", DEADLINE_S)
    publisher = publisher_for(free_port())
    publisher.start()
    begun_s = {publisher._progress_at_s}

    def attempts() -> int:
        begun_s.add(publisher._progress_at_s)
        return len(begun_s)

    wait_until(lambda: attempts() > 3, "three attempts")
    publisher.check_progress()
    publisher.stop(0.0)


def test_an_attempt_that_never_ends_is_a_hanging_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password is read anew for each attempt; here, from a pipe into which nobody writes."""
    secret = tmp_path / "password"
    secret.write_text("s3cret")
    publisher = publisher_for(free_port(), username="door-1", password_file=secret)
    secret.unlink()
    os.mkfifo(secret)
    monkeypatch.setattr(thread, "STUCK_S", 0.2)
    publisher.start()
    with pytest.raises(BrokenThreadError, match="has hung"):
        wait_until(publisher.check_progress, "the publisher to be called stuck")
    publisher.stop(0.0)
    secret.write_text("")  # lets the attempt go


def test_what_is_closed_after_the_thread_has_died_is_stored(tmp_path: Path) -> None:
    publisher = publisher_for(free_port(), tmp_path)
    publisher.start()
    publisher._stop_by_s = 0.0  # it ends, and nobody has said so to those who close windows
    publisher._wake.set()
    wait_until(lambda: not publisher._thread.is_alive(), "the thread to end")
    publisher.publish_counts(window(0), disclosure())
    publisher.stop()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as database:
        assert database.execute("SELECT count(*) FROM windows").fetchone() == (1,)
