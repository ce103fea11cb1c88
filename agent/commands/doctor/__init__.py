"""``emotion-agent doctor``: what this box is, what it can reach, and which backend it runs best, and why.

facts (device) ┐
cameras        ├──► Report ──► table | JSON
broker         │
candidates     ┘
"""

from agent.commands.doctor.command import doctor

__all__ = ["doctor"]
