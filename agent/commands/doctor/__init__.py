"""``emotion-agent doctor``: what this box is, what it can reach, and which backend it runs best, and why.

facts (device) ┐
cameras        ├──► Report ──► table | JSON
broker         │
candidates     ┘
"""
# mypy: implicit-reexport

from typing import TYPE_CHECKING

from agent.door import opened

if TYPE_CHECKING:
    from agent.commands.doctor.command import doctor
    from agent.commands.doctor.examine import examine, run_doctor
    from agent.commands.doctor.report import Report
else:
    __getattr__, __all__ = opened(__name__)
