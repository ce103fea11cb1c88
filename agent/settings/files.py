"""Files that a configuration names: regular ones of a bounded size, or nothing is read of them."""

from __future__ import annotations

import logging
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.files import read_bounded

if TYPE_CHECKING:
    from pydantic import BaseModel

logger = logging.getLogger(__name__)

LARGEST_BYTES: Final = 1 << 20
"""Of a configuration, a certificate, a secret: far above any of them."""
_FOLDERS: Final = ("bundle", "path")
"""Keys that may name a folder."""
_SECRETS: Final = ("password_file", "key_file", "credentials_file")


def read_small_file(path: Path) -> str:
    """All of a text.

    Raises:
        OSError: It is missing, unreadable, no regular file or too large.
        ValueError: It is no UTF-8.
    """
    return read_bounded(path, LARGEST_BYTES).decode("utf-8")


def file_problems(name: str, table: BaseModel) -> Iterator[str]:
    """One sentence for each file that a table names and that can't be used; a bare secret is only told of."""
    for key, value in table:
        for path in value if isinstance(value, tuple) else (value,):
            if isinstance(path, Path) and (problem := _problem_with(key, path)):
                yield f"{name}.{key} = {str(path)[:200]!r} {problem}"


def _problem_with(key: str, path: Path) -> str:
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return "does not exist; correct the path or put the file there"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return f"can't be looked at ({reason}); correct the path or its permissions"
    if stat.S_ISDIR(found.st_mode) and key in _FOLDERS:
        return ""
    if not stat.S_ISREG(found.st_mode):
        return "is no regular file; name one"
    if key not in _FOLDERS and found.st_size > LARGEST_BYTES:
        return f"is larger than {LARGEST_BYTES} bytes; name another file"
    if key in _SECRETS and found.st_mode & stat.S_IRWXO:
        logger.warning("%s %s is open to every user of this machine: chmod 640 it", key, path)
    return ""
