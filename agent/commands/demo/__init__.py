"""A whole deployment on one machine: embedded broker, generated clip, the real agent, a live table.

clip ──► agent.daemon ──► MQTT (broker) ──► table
"""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.commands.demo.command import demo
else:
    __getattr__, __all__ = opened(__name__)
