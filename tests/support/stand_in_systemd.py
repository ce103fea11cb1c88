"""A ``systemctl`` that knows one service, for commands that pause it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """\
#!/bin/sh
echo "$*" >>{folder}/asked
case "$*" in
  *show*) cat {folder}/state ;;
  *stop*) [ ! -e {folder}/no-stop ] || {{ echo "Interactive authentication required." >&2; exit 1; }}
    echo inactive >{folder}/state ;;
  *reset-failed*) ;;
  *start*) [ ! -e {folder}/no-start ] || {{ echo "Job for $1 failed." >&2; exit 1; }}
    echo active >{folder}/state ;;
esac
"""


class StandInSystemd:
    """A folder to put first on ``PATH``.

    Files ``no-stop`` and ``no-start`` in it make it refuse.
    """

    def __init__(self, folder: Path, state: str = "active") -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "state").write_text(f"{state}\n")
        (folder / "systemctl").write_text(SCRIPT.format(folder=folder))
        (folder / "systemctl").chmod(0o755)

    @property
    def path(self) -> str:
        """What ``PATH`` is to be."""
        return f"{self.folder}{os.pathsep}{os.environ['PATH']}"

    @property
    def state(self) -> str:
        """Of the service."""
        return (self.folder / "state").read_text().strip()

    @property
    def asked(self) -> list[str]:
        """What it was asked to do, without the looks at the state."""
        lines = (self.folder / "asked").read_text().splitlines()
        return [line.removeprefix("--no-ask-password ") for line in lines if not line.startswith("show")]
