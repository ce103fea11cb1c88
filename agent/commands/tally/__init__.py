"""``emotion-agent tally``: an installer counts by hand beside the agent, and both are compared."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.commands.tally.command import tally
else:
    __getattr__, __all__ = opened(__name__)
