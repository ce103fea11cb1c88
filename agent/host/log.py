"""Log lines to stderr, for a terminal or for the journal."""

from __future__ import annotations

import logging
import os
from typing import Final

from agent.errors import printable


def set_up_logging(*, verbose: bool) -> None:
    """Lines to stderr; under systemd with its priority prefix (sd-daemon(3)) instead of a time stamp."""
    level = logging.DEBUG if verbose else logging.INFO
    handler = logging.StreamHandler()
    formatter = _LineFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")
    if "JOURNAL_STREAM" in os.environ:
        formatter = _JournalFormatter("%(name)s: %(message)s")
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler], force=True)


class _LineFormatter(logging.Formatter):
    """Spells out control characters: a line may quote what a camera, a broker or a file has said."""

    def format(self, record: logging.LogRecord) -> str:
        """The record, line by line."""
        return "\n".join(map(printable, super().format(record).splitlines()))


class _JournalFormatter(_LineFormatter):
    """Starts each line with ``<n>``, the syslog priority that journald understands."""

    _PRIORITIES: Final = {
        logging.DEBUG: 7,
        logging.INFO: 6,
        logging.WARNING: 4,
        logging.ERROR: 3,
        logging.CRITICAL: 2,
    }

    def format(self, record: logging.LogRecord) -> str:
        """One priority for every line of the record, tracebacks included."""
        mark = f"<{self._PRIORITIES.get(record.levelno, 6)}>"
        return "\n".join(mark + line for line in super().format(record).splitlines())
