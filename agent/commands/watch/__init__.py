"""``emotion-agent watch``: a fleet through its broker, as a table or as lines of JSON."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.commands.watch.command import watch
else:
    __getattr__, __all__ = opened(__name__)
