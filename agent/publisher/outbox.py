"""Closed windows between the aggregator and the broker's acknowledgement, oldest first, bounded.

Online, windows live in memory only until acknowledged. While the broker is away they go to the queue
file, if there is one, and leave it again on acknowledgement. Used by the ``mqtt`` thread alone.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from agent.publisher.spool import Spool, SpoolError

if TYPE_CHECKING:
    from agent.publisher.waiting import WaitingWindow

logger = logging.getLogger(__name__)

MAX_BYTES: Final = 64 * 1024 * 1024
"""Payload bytes kept on disk or in memory, whichever the configured number of windows would allow."""

_BATCH: Final = 32
"""Windows read from the file at a time, and acknowledgements that are worth a commit."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One window on its way, with the ticket under which it is acknowledged."""

    number: int
    stored: bool
    """From the queue file; ``number`` is its row there."""
    window: WaitingWindow


class Outbox:
    """Bounded first-in-first-out store of unacknowledged windows.

    A window is handed out by ``take`` once, until ``release`` puts everything unacknowledged back.
    """

    def __init__(self, max_windows: int, spool: Spool | None = None, max_bytes: int = MAX_BYTES) -> None:
        self.dropped = 0
        """Windows given up because the bounds were reached."""
        self._max_windows = max_windows
        self._max_bytes = max_bytes
        self._spool = spool
        self._spool_works = True
        self._loaded = spool is None
        self._damaged = 0
        self._memory: dict[int, Parcel] = {}
        """Newer than everything in the file; insertion order is age."""
        self._memory_bytes = 0
        self._last_number = 0
        self._untaken: deque[int] = deque()
        self._page: deque[tuple[int, WaitingWindow | None]] = deque()
        self._read_up_to = 0
        self._acknowledged: set[int] = set()
        """Rows the broker has and the file does not know yet."""
        self._rows: dict[int, int] = {}
        """Row of each window that was handed out from memory and stored since."""

    @property
    def depth(self) -> int:
        """Windows that the broker has not acknowledged."""
        return max(0, self.stored - len(self._acknowledged)) + len(self._memory)

    @property
    def stored(self) -> int:
        """Rows in the queue file; 0 means the disk is left alone."""
        return 0 if self._spool is None else self._spool.count

    @property
    def damaged(self) -> int:
        """Windows given up, beside those dropped, because their copy in the queue file was damaged."""
        return self._damaged + (0 if self._spool is None else self._spool.damaged)

    def load(self) -> None:
        """Take up what an earlier run left in the queue file; tried again with each window until it works."""
        if self._spool is not None and not self._loaded:
            with self._complaining():
                self._spool.load()
                self._loaded = True

    def put(self, window: WaitingWindow, *, online: bool) -> None:
        """Add the newest window; it goes to the file unless it can leave at once."""
        self.load()
        behind_others = self.stored > 0 or not online
        number = self._last_number = self._last_number + 1
        window = _historical(window) if behind_others else window
        self._memory[number] = Parcel(number, stored=False, window=window)
        self._memory_bytes += _size(window)
        self._untaken.append(number)
        if behind_others:
            self.store()
        self._drop_oldest(self.depth - self._max_windows)
        if self._memory_bytes + (0 if self._spool is None else self._spool.size_bytes) > self._max_bytes:
            self._drop_oldest(max(1, self.depth // 100))

    def take(self) -> Parcel | None:
        """The oldest window not handed out yet."""
        while self._page or self._read_page():
            number, window = self._page.popleft()
            self._read_up_to = number
            if number in self._acknowledged:
                continue
            if window is not None:
                return Parcel(number, stored=True, window=_historical(window))
            self._give_up(number, f"row {number} of the queue file is not what was written")
        while self._untaken:
            parcel = self._memory.get(self._untaken.popleft())
            if parcel is not None:
                return parcel
        return None

    def acknowledge(self, parcel: Parcel) -> None:
        """The broker has it. Rows are deleted in batches: see ``settle``."""
        if not parcel.stored and parcel.number in self._memory:
            self._forget([parcel.number])
            return
        row = parcel.number if parcel.stored else self._rows.pop(parcel.number, None)
        if row is not None:
            self._acknowledged.add(row)
            if len(self._acknowledged) >= min(_BATCH, self.stored):
                self.settle()

    def set_aside(self, parcel: Parcel, error: Exception) -> None:
        """Nothing can be sent of this window, and that won't change: go on with the next."""
        name = " ".join(map(str, parcel.window.key))
        row = parcel.number if parcel.stored else self._rows.get(parcel.number)
        self._give_up(row, f"window {name} can't be sent ({error})")
        self.acknowledge(parcel)

    def release(self) -> None:
        """The connection is gone: everything unacknowledged waits again and will be sent as historical."""
        self._memory = {
            number: replace(parcel, window=_historical(parcel.window))
            for number, parcel in self._memory.items()
        }
        self._untaken = deque(self._memory)
        self._rows.clear()
        self._page.clear()
        self._read_up_to = 0
        self.settle()
        self.store()

    def store(self) -> None:
        """Move windows from memory to the queue file; those handed out already stay handed out."""
        if self._spool is None or not self._memory:
            return
        self.load()
        all_read = (
            self._loaded
            and not self._page
            and (self.stored == 0 or self._read_up_to >= self._spool.last_number)
        )
        with self._complaining():
            rows = self._spool.append([parcel.window for parcel in self._memory.values()])
            taken = len(self._memory) - len(self._untaken)
            if all_read and taken > 0:
                self._rows.update(zip(list(self._memory)[:taken], rows, strict=False))
                self._read_up_to = rows[taken - 1]
            self._spool_works = True
            self._memory.clear()
            self._memory_bytes = 0
            self._untaken.clear()

    def settle(self) -> None:
        """Delete acknowledged rows from the file; a failure keeps them for the next try."""
        if self._spool is None or not self._acknowledged:
            return
        # Emptied first: other threads read ``depth``, which may be too high for an instant, never too low.
        rows, self._acknowledged = self._acknowledged, set()
        with self._complaining():
            try:
                self._spool.delete(rows)
            except SpoolError:
                self._acknowledged = rows
                raise

    def close(self) -> None:
        """Store what is left and close the file; without one, what is left is lost and counted."""
        self.release()
        self.dropped += len(self._memory)
        if self._memory:
            logger.error("%d unsent windows are lost: no queue file could take them", len(self._memory))
        if self._spool is not None:
            self._spool.close()

    def _read_page(self) -> bool:
        """Fetch the next rows; False when there are none, or the file can't be read now."""
        if self._spool is not None:
            with self._complaining():
                self._page.extend(self._spool.read(self._read_up_to, _BATCH))
        return bool(self._page)

    def _give_up(self, row: int | None, why: str) -> None:
        level = logging.DEBUG if self._damaged else logging.ERROR
        logger.log(level, "%s: it is given up; health counts those that follow in queue.damaged", why)
        self._damaged += 1
        if self._spool is not None and row is not None:
            self._spool.keep(row)
            self._acknowledged.add(row)

    def _drop_oldest(self, count: int) -> None:
        if count <= 0:
            return
        self.dropped += count
        in_file = min(count, self.depth - len(self._memory))
        if self._spool is not None and in_file:
            with self._complaining():
                self._acknowledged.update(self._spool.oldest(in_file + len(self._acknowledged)))
                self.settle()
        self._forget(list(self._memory)[: count - in_file])
        logger.warning(
            "the queue is full: %d oldest windows dropped, %d since the start", count, self.dropped
        )

    def _forget(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._memory_bytes -= _size(self._memory.pop(number).window)

    @contextmanager
    def _complaining(self) -> Iterator[None]:
        """The disk's failures end the block; they are said once per failure, not once per window."""
        try:
            yield
        except SpoolError as error:
            logger.log(logging.ERROR if self._spool_works else logging.DEBUG, "%s", error)
            self._spool_works = False


def _historical(window: WaitingWindow) -> WaitingWindow:
    if window.message.historical:
        return window
    return replace(window, message=window.message.model_copy(update={"historical": True}))


def _size(window: WaitingWindow) -> int:
    # The counts have a fixed set of small numbers, so payload sizes differ by a few bytes only.
    return len(window.source) + len(window.message.session_id) + 400
