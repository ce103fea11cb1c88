"""Reading what others may have put in a file's place: all of it, or nothing."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def read_bounded(path: Path, most_bytes: int) -> bytes:
    """Content of a regular file, at the end of whatever links; never waits for a writer.

    Raises:
        OSError: It can't be read, is a device, pipe or folder, or has more than ``most_bytes``.
    """
    with open(path, "rb", opener=_at_once) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError("it is no regular file")
        if found.st_size > most_bytes:
            raise OSError(f"it is larger than {most_bytes} bytes")
        return file.read(found.st_size)


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
