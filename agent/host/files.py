"""Files that are there whole or not at all, and those of the kernel, which may be missing."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path


def read_if_there(path: Path) -> str:
    """Text without blanks and zeros at its ends; empty where it is missing or a sensor asleep (EAGAIN)."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \n")
    except OSError:
        return ""


def read_fields(path: Path) -> dict[str, str]:
    """Values of the lines ``key: value`` that ``/proc`` is full of; of equal keys, the first one's."""
    fields: dict[str, str] = {}
    for line in read_if_there(path).splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    return fields


def replace_whole(path: Path, content: bytes, mode: int = 0o666, like: Path | None = None) -> None:
    """Put a file in place: a reader sees the old content or the new, also after a power cut.

    Args:
        path: In a folder that exists.
        content: All of it.
        mode: Permissions of the new file, less what the umask takes.
        like: A file whose owner, permissions and extended attributes it gets instead.

    Raises:
        OSError: It can't be written; the old file is as it was, and nothing else is left behind.
    """
    # A name of its own, which nobody can have put there before: two processes may write at the same time.
    partial = path.with_name(f"{path.name}.{os.urandom(4).hex()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if like is not None:
                _take_after(like, partial)
            os.fsync(descriptor)
        partial.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


def _take_after(like: Path, path: Path) -> None:
    found = like.stat()
    os.chown(path, found.st_uid, found.st_gid)
    shutil.copystat(like, path)
    os.utime(path)  # the times are its own
