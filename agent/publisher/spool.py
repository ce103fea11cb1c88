"""Windows that wait on disk while the broker is away: one SQLite file, one writer, deleted when empty.

Why SQLite and how: each commit must survive a kill at any instant and a power cut, on a card that wears
out. The write-ahead log with ``synchronous = FULL`` syncs once per commit, and a torn last commit is
rolled back at the next start. One commit carries one closed window (every few minutes) or a batch of
acknowledgements. The exclusive lock keeps a second process out and needs no shared-memory file.

Nothing that the file says can stop the windows behind it: what is wrong with a row is the row's matter
(``agent.publisher.row``), what is wrong with the file sets it aside, and only the disk is waited for.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.errors import AgentError
from agent.publisher.queue_file import LAST_NUMBER, is_damage, opened_and_checked, whole_windows
from agent.publisher.row import row_of, window_of

if TYPE_CHECKING:
    from agent.publisher.waiting import WaitingWindow

logger = logging.getLogger(__name__)

FILE_NAME: Final = "unsent.sqlite3"
_KEPT_BYTES: Final = 1024 * 1024
"""Of damaged rows; what comes later is counted only."""


class SpoolError(AgentError):
    """The queue file can't be used now; windows wait in memory instead."""


class Spool:
    """The queue file; opened when first needed, used by one thread.

    A damaged file is set aside as ``<name>.damaged``; a new one takes over the windows that are whole.
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
        self.damaged = 0
        """Windows lost with files set aside, as far as they could be counted, but one per file at least."""
        self._database: sqlite3.Connection | None = None

    def load(self) -> None:
        """Take up what an earlier run left; does nothing, and writes nothing, where it left no file.

        Raises:
            SpoolError: The file exists but can't be opened.
        """
        with self._failing_in_words():
            size_bytes = self.path.stat().st_size if self.path.exists() else None
        if size_bytes == 0:
            logger.error("queue file %s is empty: one window at least is lost", self.path)
            self.damaged += 1
        if size_bytes is not None:
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
        with self._failing_in_words():
            return self._insert(database, windows)

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
            return [(row[0], window_of(row)) for row in database.execute(select, (after, limit))]

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

    def keep(self, number: int) -> None:
        """Write a damaged row down beside the file, for inspection; as long as there is little of it."""
        aside = self.path.with_name(self.path.name + ".damaged-rows")
        try:
            with self._failing_in_words():
                rows = self._opened().execute("SELECT * FROM windows WHERE number = ?", (number,)).fetchall()
            with aside.open("a", encoding="ascii") as lines:
                if lines.tell() < _KEPT_BYTES:
                    lines.writelines(f"{ascii(row)[:_KEPT_BYTES]}\n" for row in rows)
        except (OSError, SpoolError) as error:
            logger.warning("a damaged row can't be kept in %s (%s)", aside, error)

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
        with self._failing_in_words():
            if self._database is None:
                try:
                    self._database = opened_and_checked(self.path)
                    self._measure(self._database)
                except Exception as error:
                    if not is_damage(error):
                        raise
                    self._set_aside(error)
            self._database = self._database or opened_and_checked(self.path)
        return self._database

    def _insert(self, database: sqlite3.Connection, windows: Sequence[WaitingWindow]) -> Sequence[int]:
        rows = [row_of(number, window) for number, window in enumerate(windows, self.last_number + 1)]
        with database:
            database.executemany("INSERT INTO windows VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        self.last_number += len(rows)
        self.count += len(rows)
        self.size_bytes += sum(len(row.payload.encode()) for row in rows)
        return [row.number for row in rows]

    def _measure(self, database: sqlite3.Connection) -> None:
        total = (
            "SELECT count(*), coalesce(sum(length(CAST(payload AS BLOB))), 0), coalesce(max(number), 0)"
            " FROM windows"
        )
        self.count, self.size_bytes, last = database.execute(total).fetchone()
        self.last_number = max(self.last_number, min(last, LAST_NUMBER))

    @contextmanager
    def _failing_in_words(self) -> Iterator[None]:
        """An error as a sentence; a file found damaged is set aside on the way."""
        try:
            yield
        except SpoolError:
            raise
        except Exception as error:
            if is_damage(error):
                self._set_aside(error)
            raise SpoolError(
                f"queue file {self.path} can't be used ({error}): make room or check state.directory;"
                " unsent windows wait in memory"
            ) from error

    def _set_aside(self, error: Exception) -> None:
        self.close()
        whole = whole_windows(self.path)
        lost = max(1, self.count - len(whole))
        self.count = self.size_bytes = 0
        aside = self.path.with_name(self.path.name + ".damaged")
        logger.error(
            "queue file %s is damaged (%s): it is kept as %s for inspection", self.path, error, aside
        )
        try:
            self.path.replace(aside)
            for ending in ("-wal", "-journal"):
                self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
            if whole:
                self._database = opened_and_checked(self.path)
                self._insert(self._database, whole)
                logger.error("%d windows of it are whole and will be sent", len(whole))
        except (OSError, sqlite3.Error) as failure:
            lost += len(whole)
            raise SpoolError(
                f"damaged queue file {self.path} can't be replaced ({failure}): make room or remove it;"
                " unsent windows wait in memory"
            ) from failure
        finally:
            self.damaged += lost

    def _discard_if_empty(self) -> None:
        """No file means nothing waits; so an idle agent has nothing open for writing."""
        if self.count == 0:
            self.close()
            try:
                self.path.unlink(missing_ok=True)
            except OSError as error:
                logger.warning("empty queue file %s can't be removed (%s); it stays", self.path, error)
