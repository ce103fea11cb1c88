"""The SQLite file in which windows wait: its versions, and what of it can be trusted."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final

from agent.publisher.row import Row, checksums_for, window_of

if TYPE_CHECKING:
    from pathlib import Path

    from agent.publisher.waiting import WaitingWindow

LAST_NUMBER: Final = 2**62
"""No box counts that far; at SQLite's own end there would be no next number."""

_VERSION: Final = 2
"""1 had no checksums."""
_COLUMNS: Final = {
    "number": "INTEGER", "source": "TEXT", "opened_at_s": "REAL", "closed_at_s": "REAL", "boot_id": "TEXT",
    "payload": "TEXT", "checksum": "BLOB",
}  # fmt: skip
_CREATE: Final = f"""
CREATE TABLE windows ({", ".join(map(" ".join, _COLUMNS.items()))}, PRIMARY KEY (number))
"""
_WRITE_VERSION: Final = b"\2"
"""In the file's header; SQLite takes a greater one for a file of its own future, and never says so."""
_ALL: Final = "SELECT * FROM windows ORDER BY number"

_WAITED_FOR: Final = frozenset((
    sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_AUTH,
))  # fmt: skip
"""What a disk or another process does, which may end; everything else is the file's own fault."""
_UNREADABLE: Final = frozenset((
    sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS,
))  # fmt: skip
"""But a sector that can't be read stays so, and hides all windows behind it."""


def is_damage(error: Exception) -> bool:
    """Whether the file is at fault, and stays so however often it is tried."""
    if isinstance(error, OSError):
        return False
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return code in _UNREADABLE or code & 0xFF not in _WAITED_FOR


def opened_and_checked(path: Path) -> sqlite3.Connection:
    """The file at ``path``, made or brought to this version if need be.

    Raises:
        Exception: It can't be used now or, as :func:`is_damage` says, ever.
    """
    log = path.with_name(path.name + "-wal")
    left = log.read_bytes() if log.exists() else b""
    if _head(path)[18:19] > _WRITE_VERSION:
        raise sqlite3.DatabaseError("SQLite would only read it")
    database = _connected(path)
    try:
        _prepare(database, left)
    except BaseException:
        database.close()
        raise
    return database


def whole_windows(path: Path) -> list[WaitingWindow]:
    """What can be read of a damaged file, from either end, and has its checksum; oldest first."""
    found: dict[int, WaitingWindow] = {}
    for select in (_ALL, f"{_ALL} DESC"):
        with suppress(Exception), closing(_connected(path)) as database:
            for row in database.execute(select):
                if (window := window_of(row)) is not None:
                    found[row[0]] = window
    return [found[number] for number in sorted(found)]


def _head(path: Path) -> bytes:
    if not path.exists():
        return b""
    with path.open("rb") as file:
        return file.read(100)


def _connected(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=1.0)
    # Every text can be read, so that a damaged one is its row's matter.
    database.text_factory = lambda text: text.decode(errors="surrogateescape")
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    return database


def _prepare(database: sqlite3.Connection, log: bytes) -> None:
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    verdict = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if verdict != "ok" or version not in {0, 1, _VERSION}:
        raise sqlite3.DatabaseError(verdict if verdict != "ok" else f"unknown version {version}")
    if log and (lost := _lost_commits(log, database)) > 1:
        raise sqlite3.DatabaseError(f"{lost} commits of its log can't be read")
    if version != _VERSION:
        with database:
            database.execute("BEGIN IMMEDIATE")
            _upgrade(database, version)
    columns = {name: kind for _, name, kind, *_ in database.execute("PRAGMA table_info(windows)")}
    if list(columns.items()) != list(_COLUMNS.items()):
        raise sqlite3.DatabaseError("its table is another")
    strays = "SELECT count(*) FROM windows WHERE number NOT BETWEEN 1 AND ?"
    if database.execute(strays, (LAST_NUMBER,)).fetchone()[0]:
        raise sqlite3.DatabaseError("impossible row number")


def _lost_commits(log: bytes, database: sqlite3.Connection) -> int:
    """Commits in a write-ahead log that SQLite does not take; one may have been torn by a power cut.

    Without a word it leaves out all that follows a damaged frame. Format: sqlite.org/fileformat.html, "The
    Write-Ahead Log".
    """
    frame_bytes = 24 + database.execute("PRAGMA page_size").fetchone()[0]
    taken = max(0, database.execute("PRAGMA wal_checkpoint").fetchone()[1])
    salt = log[40:48]  # of this log's first frame; what is left of an earlier log has another
    heads = (log[at : at + 24] for at in range(32 + taken * frame_bytes, len(log), frame_bytes))
    return sum(head[8:16] == salt and head[4:8] != bytes(4) for head in heads)


def _upgrade(database: sqlite3.Connection, version: int) -> None:
    """Bring a file of version 0, which is empty, or 1 to this one, in the caller's transaction."""
    if version == 0:
        database.execute(_CREATE)
    else:
        rows: list[Row] = database.execute(_ALL).fetchall()
        database.execute("ALTER TABLE windows ADD COLUMN checksum BLOB")
        database.executemany("UPDATE windows SET checksum = ? WHERE number = ?", checksums_for(rows))
    database.execute(f"PRAGMA user_version = {_VERSION}")
