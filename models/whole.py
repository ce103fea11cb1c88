"""A file is put in place whole or not at all: whoever reads it meets the old content or the new."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Lend a path beside ``path`` to write to; what stands there at the end replaces ``path``.

    The folder is made where missing. A crash leaves ``path`` as it was, and so does an error in the block.
    For ``torch.save``, which writes the name into the file; bytes go through ``agent.host.replace_whole``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
