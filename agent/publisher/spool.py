"""Windows that wait on disk while the broker is away: one SQLite file, one writer, deleted when empty.

Why SQLite and how: each commit must survive a kill at any instant and a power cut, on a card that wears
out. The write-ahead log with ``synchronous = FULL`` syncs once per commit, and a torn last commit is
rolled back at the next start. One commit carries one closed window (every few minutes) or a batch of
acknowledgements. The exclusive lock keeps a second process out and needs no shared-memory file.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from agent.contract import CountsMessage
from agent.errors import AgentError
from agent.publisher.waiting import WaitingWindow

logger = logging.getLogger(__name__)

FILE_NAME: Final = "unsent.sqlite3"
_VERSION: Final = 1
_CREATE: Final = """
CREATE TABLE IF NOT EXISTS windows (
    number INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    opened_at_s REAL NOT NULL,
    closed_at_s REAL NOT NULL,
    boot_id TEXT NOT NULL,
    payload TEXT NOT NULL
)
"""


class SpoolError(AgentError):
    """The queue file can't be used now; windows wait in memory instead."""


class Spool:
    """The queue file; opened when first needed, used by one thread.

    A damaged file is set aside as ``<name>.damaged`` and counting goes on with a new one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        """Windows in the file."""
        self.size_bytes = 0
        """Sum of their payloads."""
        self.last_number = 0
        """Of the newest window ever stored here; never used twice in one process, so that a late
        acknowledgement can't hit a newer window."""
        self._database: sqlite3.Connection | None = None

    def load(self) -> None:
        """Take up what an earlier run left; does nothing, and writes nothing, where it left no file.

        Raises:
            SpoolError: The file exists but can't be opened.
        """
        if self.path.exists():
            self._opened()
            self._discard_if_empty()

    def append(self, windows: Sequence[WaitingWindow]) -> Sequence[int]:
        """Store all windows or none; they are safe from a power cut when this returns.

        Returns:
            Their numbers.

        Raises:
            SpoolError: The disk is full, read-only or failing.
        """
        database = self._opened()
        rows = [
            (
                number,
                window.source,
                window.opened_at_s,
                window.closed_at_s,
                window.boot_id,
                window.message.payload().decode(),
            )
            for number, window in enumerate(windows, self.last_number + 1)
        ]
        with self._failing_in_words(), database:
            database.executemany("INSERT INTO windows VALUES (?, ?, ?, ?, ?, ?)", rows)
        self.last_number += len(rows)
        self.count += len(rows)
        self.size_bytes += sum(len(row[-1].encode()) for row in rows)
        return [row[0] for row in rows]

    def read(self, after: int, limit: int) -> list[tuple[int, WaitingWindow | None]]:
        """Up to ``limit`` windows numbered above ``after``, oldest first; None stands for a damaged row.

        Raises:
            SpoolError: The file can't be read.
        """
        if self.count == 0:
            return []
        select = "SELECT * FROM windows WHERE number > ? ORDER BY number LIMIT ?"
        database = self._opened()
        with self._failing_in_words():
            return [(number, _window(*row)) for number, *row in database.execute(select, (after, limit))]

    def delete(self, numbers: Collection[int]) -> None:
        """Forget windows that the broker has; the file goes with the last one.

        Raises:
            SpoolError: The disk is full, read-only or failing; nothing was deleted.
        """
        database = self._opened()
        with self._failing_in_words():
            with database:
                rows = [(number,) for number in numbers]
                database.executemany("DELETE FROM windows WHERE number = ?", rows)
            self._measure(database)
        self._discard_if_empty()

    def oldest(self, count: int) -> list[int]:
        """Numbers of the ``count`` oldest windows.

        Raises:
            SpoolError: The file can't be read.
        """
        select = "SELECT number FROM windows ORDER BY number LIMIT ?"
        database = self._opened()
        with self._failing_in_words():
            return [number for (number,) in database.execute(select, (count,))]

    def close(self) -> None:
        """Fold the log into the file and release the lock."""
        if self._database is not None:
            try:
                self._database.close()
            except sqlite3.Error as error:
                logger.warning(
                    "closing %s failed (%s); its windows are read at the next start", self.path, error
                )
            self._database = None

    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            with self._failing_in_words():
                try:
                    self._database = self._connect()
                    self._measure(self._database)
                except sqlite3.OperationalError:
                    self.close()
                    raise
                except sqlite3.DatabaseError as error:
                    self._set_aside(error)
                    self._database = self._connect()
        return self._database

    def _connect(self) -> sqlite3.Connection:
        """Open and check the file.

        Raises:
            sqlite3.OperationalError: It can't be used now.
            sqlite3.DatabaseError: It is damaged.
        """
        database = sqlite3.connect(self.path, timeout=1.0)
        try:
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            verdict = database.execute("PRAGMA quick_check(1)").fetchone()[0]
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if verdict != "ok" or version not in {0, _VERSION}:
                raise sqlite3.DatabaseError(verdict if verdict != "ok" else f"unknown version {version}")
            with database:
                database.execute(_CREATE)
                database.execute(f"PRAGMA user_version = {_VERSION}")
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _measure(self, database: sqlite3.Connection) -> None:
        total = (
            "SELECT count(*), coalesce(sum(length(CAST(payload AS BLOB))), 0), coalesce(max(number), 0)"
            " FROM windows"
        )
        self.count, self.size_bytes, last = database.execute(total).fetchone()
        self.last_number = max(self.last_number, last)

    @contextmanager
    def _failing_in_words(self) -> Iterator[None]:
        """A database error as a sentence; a file found damaged is set aside on the way."""
        try:
            yield
        except sqlite3.Error as error:
            if not isinstance(error, sqlite3.OperationalError) and isinstance(error, sqlite3.DatabaseError):
                self._set_aside(error)
            raise SpoolError(
                f"queue file {self.path} can't be used ({error}): make room or check state.directory;"
                " unsent windows wait in memory"
            ) from error

    def _set_aside(self, error: sqlite3.Error) -> None:
        self.close()
        self.count = self.size_bytes = 0
        aside = self.path.with_name(self.path.name + ".damaged")
        logger.error(
            "queue file %s is damaged (%s): it is kept as %s for inspection", self.path, error, aside
        )
        try:
            self.path.replace(aside)
            for ending in ("-wal", "-journal"):
                self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
        except OSError as failure:
            raise SpoolError(
                f"damaged queue file {self.path} can't be set aside ({failure}): remove it;"
                " unsent windows wait in memory"
            ) from failure

    def _discard_if_empty(self) -> None:
        """No file means nothing waits; so an idle agent has nothing open for writing."""
        if self.count == 0:
            self.close()
            try:
                self.path.unlink(missing_ok=True)
            except OSError as error:
                logger.warning("empty queue file %s can't be removed (%s); it stays", self.path, error)


def _window(
    source: str, opened_at_s: float, closed_at_s: float, boot_id: str, payload: str
) -> WaitingWindow | None:
    try:
        message = CountsMessage.model_validate_json(payload)
    except ValidationError:
        return None
    return WaitingWindow(source, message, opened_at_s, closed_at_s, boot_id)
