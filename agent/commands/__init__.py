"""One folder or file per ``emotion-agent …`` that a user types; only ``agent.cli`` imports them."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.commands.every import COMMANDS
else:
    __getattr__, __all__ = opened(__name__)
