"""``emotion-agent notice``: the sign for the door, and the draft of the impact assessment."""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.commands.notice.command import notice
else:
    __getattr__, __all__ = opened(__name__)
