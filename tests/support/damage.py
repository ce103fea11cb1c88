"""A queue file that a bad card, a power cut or a stranger has changed, and what the outbox makes of it.

``python -m tests.support.damage --runs 2000 --seed 1`` tries so many; figures as one JSON object on stdout.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from agent.contract import counts_message, topics
from agent.domain import EmotionWindow, Stamps
from agent.publisher.outbox import Outbox, Parcel
from agent.publisher.spool import FILE_NAME, Spool
from agent.publisher.stamping import Stamper
from agent.publisher.waiting import WaitingWindow
from agent.publisher.wallclock import WallClock
from tests.support.message_samples import IDENTITY, SESSION, SUPPRESSED, disclosure

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOWS: Final = 60
_START: Final = datetime(2026, 11, 22, tzinfo=UTC)
_PAGE_BYTES: Final = 4096
_HOSTILE: Final[tuple[Any, ...]] = (
    None, 0, 1, -1, 2**31, 2**63 - 1, -(2**63), 0.5, -1.0, 1e18, 1e308, float("inf"), float("-inf"),
    "", "#", "door/+", "\0", "NaN", "9" * 400, "{", "[" * 5_000, "null", b"", b"\xff\xfe", b"door", "hall",
)  # fmt: skip
_COLUMNS: Final = ("number", "source", "opened_at_s", "closed_at_s", "boot_id", "payload", "checksum")


def sample(seq: int, source: str = "door", session: str = SESSION) -> WaitingWindow:
    """Window ``seq`` of touching minutes; some are suppressed, some were stamped by a wrong clock."""
    opened_at_s = 60.0 * seq + 0.25
    start = _START + timedelta(seconds=opened_at_s)
    stamps = Stamps(start, start + timedelta(seconds=60.0), synced=seq % 3 > 0)
    told = SUPPRESSED if seq % 4 == 0 else disclosure(5 + seq)
    window = EmotionWindow(source, seq, opened_at_s, opened_at_s + 60.0, 1.0)
    message = counts_message(window, told, session, stamps)
    return WaitingWindow(source, message, opened_at_s, opened_at_s + 60.0, "an earlier boot")


def fill(path: Path, windows: int = WINDOWS) -> None:
    """A queue file as an outage leaves it, closed in order."""
    outbox = Outbox(10 * windows, Spool(path))
    for seq in range(windows):
        outbox.put(sample(seq), online=False)
    outbox.close()


def corrupt(random: Random, path: Path) -> str:
    """Damage the file at ``path`` in one way; its name."""
    kind = random.choice(tuple(_KINDS))
    _KINDS[kind](random, path)
    return kind


def _flip_bit(random: Random, path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    path.write_bytes(content)


def _flip_bits(random: Random, path: Path) -> None:
    for _ in range(random.randint(2, 64)):
        _flip_bit(random, path)


def _overwrite_run(random: Random, path: Path) -> None:
    content = bytearray(path.read_bytes())
    length = random.choice((1, 4, 16, 100, 512, _PAGE_BYTES, 3 * _PAGE_BYTES))
    start = random.randrange(len(content))
    end = min(len(content), start + length)
    content[start:end] = random.choice(
        (bytes(end - start), b"\xff" * (end - start), random.randbytes(end - start))
    )
    path.write_bytes(content)


def _truncate(random: Random, path: Path) -> None:
    size = random.randrange(path.stat().st_size)
    path.write_bytes(path.read_bytes()[: random.choice((size, size - size % _PAGE_BYTES))])


def _swap_pages(random: Random, path: Path) -> None:
    content = path.read_bytes()
    pages = [content[at : at + _PAGE_BYTES] for at in range(0, len(content), _PAGE_BYTES)]
    one, other = random.randrange(len(pages)), random.randrange(len(pages))
    pages[one], pages[other] = pages[other], pages[one]
    path.write_bytes(b"".join(pages))


def _repeat_page(random: Random, path: Path) -> None:
    content = path.read_bytes()
    pages = [content[at : at + _PAGE_BYTES] for at in range(0, len(content), _PAGE_BYTES)]
    pages[random.randrange(len(pages))] = random.choice(pages)
    path.write_bytes(b"".join(pages))


def _edit(random: Random, path: Path) -> None:
    """A hostile value in any column of one row, or of all."""
    column, value = random.choice(_COLUMNS), random.choice(_HOSTILE)
    row = random.choice((1, random.randint(1, WINDOWS), None))
    with closing(sqlite3.connect(path)) as database, suppress(sqlite3.IntegrityError), database:
        set_to = f"UPDATE windows SET {column} = ? WHERE number = coalesce(?, number)"  # noqa: S608
        database.execute(set_to, (value, row))


def _edit_number(random: Random, path: Path) -> None:
    """Another count in a message that stays valid JSON."""
    digit, other = random.sample("0123456789", 2)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "UPDATE windows SET payload = replace(payload, ?, ?) WHERE number = ?",
            (f":{digit}", f":{other}", random.randint(1, WINDOWS)),
        )


def _swap_payloads(random: Random, path: Path) -> None:
    """Each row valid in itself, but another's."""
    one, other = random.sample(range(1, WINDOWS + 1), 2)
    column = random.choice(_COLUMNS[1:])
    with closing(sqlite3.connect(path)) as database, database:
        values = dict(database.execute(f"SELECT number, {column} FROM windows"))  # noqa: S608
        set_to = f"UPDATE windows SET {column} = ? WHERE number = ?"  # noqa: S608
        database.executemany(set_to, ((values[other], one), (values[one], other)))


def _renumber(random: Random, path: Path) -> None:
    number = random.choice(
        (0, -1, 2**62, 2**63 - 1, -(2**63), 10 * WINDOWS, random.randint(-(2**63), 2**63 - 1))
    )
    with closing(sqlite3.connect(path)) as database, suppress(sqlite3.IntegrityError), database:
        changed = random.randint(1, WINDOWS)
        database.execute("UPDATE windows SET number = ? WHERE number = ?", (number, changed))


def _copy_row(random: Random, path: Path) -> None:
    numbers = (WINDOWS + random.randint(1, 2**40), random.randint(1, WINDOWS))
    copy = f"INSERT INTO windows SELECT ?, {', '.join(_COLUMNS[1:])} FROM windows WHERE number = ?"  # noqa: S608
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(copy, numbers)


def _edit_schema(random: Random, path: Path) -> None:
    statement = random.choice((
        "PRAGMA user_version = 0", "PRAGMA user_version = 1", "PRAGMA user_version = 77",
        "ALTER TABLE windows RENAME TO window", "ALTER TABLE windows RENAME COLUMN payload TO load",
        "ALTER TABLE windows ADD COLUMN more", "ALTER TABLE windows DROP COLUMN boot_id",
        "DROP TABLE windows",
    ))  # fmt: skip
    with closing(sqlite3.connect(path)) as database:
        database.execute(statement)


_KINDS: Final[dict[str, Callable[[Random, Path], None]]] = {
    "bit": _flip_bit, "bits": _flip_bits, "run": _overwrite_run, "truncated": _truncate,
    "pages swapped": _swap_pages, "page repeated": _repeat_page, "hostile value": _edit,
    "another count": _edit_number, "values swapped": _swap_payloads, "renumbered": _renumber,
    "row copied": _copy_row, "schema": _edit_schema,
}  # fmt: skip


@dataclass
class Verdict:
    """What came out of one damaged file, or of many."""

    kinds: Counter[str] = field(default_factory=Counter)
    whole: int = 0
    """Windows delivered as they were put."""
    missing: int = 0
    """Windows not delivered."""
    altered: int = 0
    repeated: int = 0
    silent: int = 0
    """Files of which windows are missing though nothing was counted as damaged."""
    blocked: int = 0
    """Files behind which a new window was not delivered."""
    unstored: int = 0
    """Files into which, or into their successors, a new window was not stored."""


def try_one(random: Random, master: Path, folder: Path, verdict: Verdict) -> None:
    """Corrupt a copy of ``master``, let a new outbox send it, and two windows that close meanwhile."""
    path = folder / FILE_NAME
    shutil.copyfile(master, path)
    verdict.kinds[corrupt(random, path)] += 1
    outbox = Outbox(10 * WINDOWS, Spool(path))
    outbox.load()
    sent: list[Parcel] = []
    for number, online in enumerate((True, False)):
        outbox.put(sample(number, "new"), online=online)
        verdict.unstored += not online and outbox.stored == 0
        sent += send_all(outbox)
    outbox.close()
    again = Outbox(10 * WINDOWS, Spool(path))
    again.load()
    sent += send_all(again)
    again.close()
    judge(sent, outbox.damaged + again.damaged, verdict)


def send_all(outbox: Outbox) -> list[Parcel]:
    """Everything that waits, acknowledged."""
    stamper = Stamper(WallClock())
    sent = []
    while (parcel := outbox.take()) is not None:
        stamper.stamp(parcel.window).payload()
        topics.counts_topic(IDENTITY, parcel.window.source)
        outbox.acknowledge(parcel)
        sent.append(parcel)
    outbox.settle()
    return sent


def judge(sent: list[Parcel], damaged: int, verdict: Verdict) -> None:
    """Compare with what was put."""
    put = {window.key: window for window in map(sample, range(WINDOWS))}
    arrived = Counter(parcel.window.key for parcel in sent)
    old = [parcel.window for parcel in sent if parcel.window.source != "new"]
    whole = {window.key for window in old if window.key in put and _same(window, put[window.key])}
    verdict.whole += len(whole)
    verdict.altered += len({window.key for window in old}) - len(whole)
    verdict.repeated += sum(arrived.values()) - len(arrived)
    verdict.missing += len(put) - len(whole)
    verdict.silent += len(whole) < len(put) and damaged == 0
    verdict.blocked += sum(key[1] == "counts/new" for key in arrived) != 2


def _same(one: WaitingWindow, other: WaitingWindow) -> bool:
    return one.message.model_copy(update={"historical": False}) == other.message


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    verdict = Verdict()
    with tempfile.TemporaryDirectory() as name:
        fill(Path(name) / "master")
        for number in range(arguments.runs):
            folder = Path(name) / str(number)
            folder.mkdir()
            try:
                chance = Random(f"{arguments.seed}/{number}")  # noqa: S311 - to be repeated
                try_one(chance, Path(name) / "master", folder, verdict)
            except Exception as error:
                raise RuntimeError(f"run {number} of seed {arguments.seed}") from error
            shutil.rmtree(folder)
    print(json.dumps(vars(verdict), indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
