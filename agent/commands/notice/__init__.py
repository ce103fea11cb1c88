"""``emotion-agent notice``: the sign for the door, and the draft of the impact assessment."""

from agent.commands.notice.command import notice

__all__ = ["notice"]
