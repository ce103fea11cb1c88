"""One window as a row of the queue file, and back: only if not a bit of the row has changed.

Cards flip bits, and a row that still reads well may then say something else. So each row carries the BLAKE2b
of all its columns; a CRC-32 would let one damage in four thousand million pass. It has no key, because who
could forge a row could read the key beside it.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

from agent.contract import read_window
from agent.publisher.waiting import WaitingWindow

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)

Row = tuple[object, ...]
"""Number, source, opened_at_s, closed_at_s, boot_id, payload, checksum, as the file has them."""


class WrittenRow(NamedTuple):
    """A row as it goes into the file."""

    number: int
    source: str
    opened_at_s: float
    closed_at_s: float
    boot_id: str
    payload: str
    checksum: bytes


_A_CENTURY_S: Final = 2.0**32
"""No box has been up for longer."""
_ROUNDING_S: Final = 0.01
"""Stamps have milliseconds, and a window of no length is given two."""


def row_of(number: int, window: WaitingWindow) -> WrittenRow:
    """All columns of a window, the checksum included."""
    times_s = (float(window.opened_at_s), float(window.closed_at_s))
    said = (number, window.source, *times_s, window.boot_id, window.message.payload().decode())
    return WrittenRow(*said, _checksum(said))


def window_of(row: Row) -> WaitingWindow | None:
    """The window of a row; None of a damaged one, whatever it says."""
    *said, checksum = row
    try:
        return _window(said) if checksum == _checksum(said) else None
    except Exception as error:  # noqa: BLE001 - it may say anything, and must not keep the rows behind it
        logger.debug("damaged row: %r", error)
        return None


def checksums_for(rows: Sequence[Row]) -> list[tuple[bytes, int]]:
    """Checksum and number of each credible row of version 1, which had none.

    Of two rows for the same window one was altered, and nobody can tell which: neither is credible.
    """
    windows = {row: window for row in rows if (window := window_of((*row, _checksum(row)))) is not None}
    times = Counter(window.key for window in windows.values())
    return [(_checksum(row), int(str(row[0]))) for row, window in windows.items() if times[window.key] == 1]


def _window(said: Sequence[object]) -> WaitingWindow:
    _, source, opened_at_s, closed_at_s, boot_id, payload = said
    if not (isinstance(opened_at_s, float) and isinstance(closed_at_s, float)):
        raise TypeError("times are numbers")
    if not 0.0 <= opened_at_s <= closed_at_s < _A_CENTURY_S:
        raise ValueError("no window was open from then to then")
    message = read_window(str(payload))
    stamped_s = (message.window_end - message.window_start).total_seconds()
    if abs(stamped_s - (closed_at_s - opened_at_s)) > _ROUNDING_S:
        raise ValueError("the two clocks disagree on how long it was open")
    return WaitingWindow(str(source), message, opened_at_s, closed_at_s, str(boot_id))


def _checksum(said: Sequence[object]) -> bytes:
    return blake2b(json.dumps(said, default=repr).encode(), digest_size=16).digest()
