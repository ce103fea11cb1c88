"""What networks are judged on: each kind read once, when it is first asked for, and handed round."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from models.data import read_crowds, read_ferplus, read_portraits

if TYPE_CHECKING:
    from pathlib import Path

    from models.data import FerPlus, LabelledPhoto, Portrait


class EvaluationData:
    """A folder of data; asking for what is missing or broken there raises ``ModelError``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def peers(self) -> Path:
        """Folder of other people's networks, beside the data."""
        return self.folder.parent / "peers"

    @cached_property
    def crowds(self) -> list[LabelledPhoto]:
        """Photos of crowds."""
        return read_crowds(self.folder)

    @cached_property
    def ferplus_test(self) -> FerPlus:
        """The whole test split of FER+."""
        return read_ferplus(self.folder, "test")

    @cached_property
    def portraits(self) -> list[Portrait]:
        """People whom no network was taught."""
        return read_portraits(self.folder, "valid")
