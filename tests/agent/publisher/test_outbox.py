"""Windows wait in order, survive kills, and leave exactly when acknowledged."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.contract.messages import counts_message
from agent.domain import EmotionWindow, Stamps
from agent.publisher.outbox import Outbox, Parcel
from agent.publisher.spool import FILE_NAME, Spool, SpoolError
from agent.publisher.waiting import WaitingWindow
from tests.support.message_samples import SESSION, disclosure

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2026, 11, 22, tzinfo=UTC)


def waiting(seq: int) -> WaitingWindow:
    stamps = Stamps(START + timedelta(minutes=seq), START + timedelta(minutes=seq + 1), synced=True)
    window = EmotionWindow("door", seq, seq * 60.0, seq * 60.0 + 60.0, 1.0)
    return WaitingWindow("door", counts_message(window, disclosure(), SESSION, stamps), 0.0, 60.0, "boot")


def take_all(outbox: Outbox) -> list[Parcel]:
    return list(iter(outbox.take, None))


def seqs(parcels: list[Parcel]) -> list[int]:
    return [parcel.window.message.seq for parcel in parcels]


def test_online_nothing_touches_the_disk(tmp_path: Path) -> None:
    outbox = Outbox(100, Spool(tmp_path / FILE_NAME))
    outbox.load()
    for seq in range(5):
        outbox.put(waiting(seq), online=True)
        (parcel,) = take_all(outbox)
        assert not parcel.window.message.historical
        outbox.acknowledge(parcel)
    outbox.settle()
    outbox.close()
    assert list(tmp_path.iterdir()) == []


def test_offline_windows_are_on_disk_at_once_and_gone_with_the_last_acknowledgement(tmp_path: Path) -> None:
    outbox = Outbox(100, Spool(tmp_path / FILE_NAME))
    for seq in range(40):
        outbox.put(waiting(seq), online=False)
    assert (tmp_path / FILE_NAME).exists()
    parcels = take_all(outbox)
    assert seqs(parcels) == list(range(40))
    assert all(parcel.window.message.historical for parcel in parcels)
    for parcel in parcels:
        outbox.acknowledge(parcel)
    outbox.settle()
    assert outbox.depth == 0
    assert list(tmp_path.iterdir()) == []


def test_unacknowledged_windows_are_handed_out_again_in_order_and_flagged(tmp_path: Path) -> None:
    outbox = Outbox(100, Spool(tmp_path / FILE_NAME))
    for seq in range(4):
        outbox.put(waiting(seq), online=True)
    parcels = take_all(outbox)
    outbox.acknowledge(parcels[1])
    outbox.release()
    again = take_all(outbox)
    assert seqs(again) == [0, 2, 3]
    assert all(parcel.window.message.historical for parcel in again)


@pytest.mark.parametrize("outages_before", [0, 1])
def test_windows_stored_while_in_flight_are_acknowledged_without_being_sent_again(
    tmp_path: Path, outages_before: int
) -> None:
    outbox = Outbox(100, Spool(tmp_path / FILE_NAME))
    for _ in range(outages_before):
        outbox.put(waiting(99), online=False)
        for earlier in take_all(outbox):
            outbox.acknowledge(earlier)
        outbox.release()
    for seq in range(4):
        outbox.put(waiting(seq), online=True)
    first, second = outbox.take(), outbox.take()
    outbox.store()
    assert outbox.stored == 4
    rest = take_all(outbox)
    assert seqs(rest) == [2, 3]
    for parcel in (first, second, *rest):
        assert parcel is not None
        outbox.acknowledge(parcel)
    outbox.settle()
    assert list(tmp_path.iterdir()) == []


def test_a_second_process_run_takes_up_what_the_first_left(tmp_path: Path) -> None:
    first = Outbox(100, Spool(tmp_path / FILE_NAME))
    for seq in range(3):
        first.put(waiting(seq), online=False)
    first.close()
    second = Outbox(100, Spool(tmp_path / FILE_NAME))
    second.load()
    assert second.depth == 3
    second.put(waiting(3), online=True)
    assert seqs(take_all(second)) == [0, 1, 2, 3]


@pytest.mark.parametrize("on_disk", [True, False], ids=["disk", "memory"])
def test_the_bound_drops_the_oldest_and_counts_them(tmp_path: Path, on_disk: bool) -> None:  # noqa: FBT001
    outbox = Outbox(10, Spool(tmp_path / FILE_NAME) if on_disk else None)
    for seq in range(25):
        outbox.put(waiting(seq), online=False)
    assert (outbox.depth, outbox.dropped) == (10, 15)
    assert seqs(take_all(outbox)) == list(range(15, 25))


def test_rows_that_can_not_be_deleted_do_not_hide_the_windows_behind_them(tmp_path: Path) -> None:
    """On a full disk acknowledged rows stay in the file; they are skipped, however many they are."""
    spool = Spool(tmp_path / FILE_NAME)
    outbox = Outbox(1000, spool)
    for seq in range(100):
        outbox.put(waiting(seq), online=False)
    spool.close()
    (tmp_path / FILE_NAME).rename(tmp_path / "away")
    (tmp_path / FILE_NAME).mkdir()  # no database can be opened there
    parcels = [Parcel(number, stored=True, window=waiting(number - 1)) for number in range(1, 91)]
    for parcel in parcels:
        outbox.acknowledge(parcel)
    (tmp_path / FILE_NAME).rmdir()
    (tmp_path / "away").rename(tmp_path / FILE_NAME)
    assert outbox.depth == 10
    assert seqs(take_all(outbox)) == list(range(90, 100))


def test_the_size_bound_holds_too(tmp_path: Path) -> None:
    outbox = Outbox(10_000, Spool(tmp_path / FILE_NAME), max_bytes=5_000)
    for seq in range(100):
        outbox.put(waiting(seq), online=False)
    assert 5 <= outbox.depth <= 20
    assert outbox.depth + outbox.dropped == 100
    assert seqs(take_all(outbox))[-1] == 99


def test_a_damaged_file_is_set_aside_and_counting_goes_on(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(b"this is no database" * 400)
    outbox = Outbox(10, Spool(path))
    outbox.load()
    outbox.put(waiting(0), online=False)
    assert seqs(take_all(outbox)) == [0]
    assert (tmp_path / f"{FILE_NAME}.damaged").read_bytes().startswith(b"this is no database")


def test_a_damaged_row_is_dropped_and_the_others_arrive(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    outbox = Outbox(10, Spool(path))
    for seq in range(3):
        outbox.put(waiting(seq), online=False)
    outbox.close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE windows SET payload = '{' WHERE number = 2")
    database.close()
    again = Outbox(10, Spool(path))
    again.load()
    parcels = take_all(again)
    assert seqs(parcels) == [0, 2]
    assert again.damaged == 1


@pytest.mark.slow
def test_a_file_in_use_by_another_process_leaves_windows_in_memory(tmp_path: Path) -> None:
    holder = Spool(tmp_path / FILE_NAME)
    holder.append([waiting(0)])
    outbox = Outbox(10, Spool(tmp_path / FILE_NAME))
    outbox.put(waiting(1), online=False)
    assert seqs(take_all(outbox)) == [1]
    with pytest.raises(SpoolError, match=r"state\.directory"):
        Spool(tmp_path / FILE_NAME).append([waiting(2)])
    holder.close()


def test_an_unwritable_folder_leaves_windows_in_memory_until_it_works(tmp_path: Path) -> None:
    folder = tmp_path / "not yet"
    outbox = Outbox(10, Spool(folder / FILE_NAME))
    for seq in range(3):
        outbox.put(waiting(seq), online=False)
    assert outbox.depth == 3
    folder.mkdir()
    outbox.put(waiting(3), online=False)
    assert outbox.stored == 4
    assert seqs(take_all(outbox)) == [0, 1, 2, 3]


KILLED_WRITER = """
import os, sys
from pathlib import Path
from agent.publisher.outbox import Outbox
from agent.publisher.spool import Spool
from tests.agent.publisher.test_outbox import waiting
outbox = Outbox(1000, Spool(Path(sys.argv[1])))
outbox.load()
for seq in range(int(sys.argv[2]), int(sys.argv[2]) + 1000):
    outbox.put(waiting(seq), online=False)
    os.write(1, f"{seq}\\n".encode())
"""


@pytest.mark.slow
def test_kill_minus_nine_loses_no_window_that_was_put(tmp_path: Path) -> None:
    """Whatever was put before the kill is there afterwards, and at most the one being put besides."""
    path = tmp_path / FILE_NAME
    expected = 0
    for kill_after in (1, 3, 10, 17, 29):
        arguments = [sys.executable, "-c", KILLED_WRITER, str(path), str(expected)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(kill_after):
                last = int(writer.stdout.readline())
            writer.kill()
            said = writer.stdout.read().split()
        last = int(said[-1]) if said else last
        spool = Spool(path)
        spool.load()
        assert spool.count in {last + 1, last + 2}
        expected = spool.count
        spool.close()
    outbox = Outbox(1000, Spool(path))
    outbox.load()
    assert seqs(take_all(outbox)) == list(range(expected))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["online", "offline", "take", "ack", "secure", "lost", "reopen"]), max_size=40)
)
def test_any_history_delivers_every_window_in_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    """Acknowledged or waiting: nothing vanishes, nothing is invented, waiting windows are in order."""
    path = tmp_path_factory.mktemp("queue") / FILE_NAME
    outbox = Outbox(1000, Spool(path))
    outbox.load()
    put = 0
    in_flight: list[Parcel] = []
    acknowledged: set[int] = set()
    for step in steps:
        if step in {"online", "offline"}:
            outbox.put(waiting(put), online=step == "online")
            put += 1
        elif step == "take" and (parcel := outbox.take()) is not None:
            in_flight.append(parcel)
        elif step == "ack" and in_flight:
            parcel = in_flight.pop(0)
            outbox.acknowledge(parcel)
            acknowledged.add(parcel.window.message.seq)
        elif step == "secure":
            outbox.store()
        elif step in {"lost", "reopen"}:
            in_flight.clear()
            outbox.release()
            if step == "reopen":
                outbox.close()
                outbox = Outbox(1000, Spool(path))
                outbox.load()
    fresh = set(seqs(take_all(outbox)))
    assert fresh.isdisjoint(acknowledged | {parcel.window.message.seq for parcel in in_flight})
    outbox.release()
    left = seqs(take_all(outbox))
    assert left == sorted(set(range(put)) - acknowledged)
    assert outbox.depth == len(left)
    outbox.close()
