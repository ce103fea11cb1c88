"""A folder of somebody else's: whatever Python code is run from it leaves a mark."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Stranger:
    """The folder.

    Args:
        folder: Made here.
        packages: Names that are also ours, a library's or the standard library's.
    """

    def __init__(self, folder: Path, *packages: str) -> None:
        self.folder = folder
        self._mark = folder / "mark"
        for name in packages:
            (folder / name).mkdir(parents=True)
            code = f"with open({str(self._mark)!r}, 'a') as file: file.write({name!r} + ' ')\n"
            (folder / name / "__init__.py").write_text(code)

    @property
    def ran(self) -> list[str]:
        """Packages that were imported, in order."""
        return self._mark.read_text().split() if self._mark.exists() else []
