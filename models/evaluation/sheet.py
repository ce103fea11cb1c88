"""Results as tables of plain text, for a terminal and the report page, and as what ``--json`` prints."""

from __future__ import annotations

from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Sheet:
    """Finished cells; the first column names the row."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """As many cells each as there are columns; "" where there is nothing to say."""
    note: str = ""
    """What a reader must know to compare the rows fairly."""

    def __rich__(self) -> Table:
        """As rich prints it."""
        table = Table(title=self.title, caption=self.note or None, caption_justify="left")
        for index, column in enumerate(self.columns):
            table.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
        for row in self.rows:
            table.add_row(*row)
        return table
