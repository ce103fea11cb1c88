"""``emotion-agent simulate``: many made-up devices at one broker, and what that costs."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.commands.simulate.command import simulate
else:
    __getattr__, __all__ = opened(__name__)
