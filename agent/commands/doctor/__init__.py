"""``emotion-agent doctor``: what this box is, what it can reach, and which backend it runs best, and why.

facts (device) ┐
cameras        ├──► Report ──► table | JSON
broker         │
candidates     ┘
"""

from __future__ import annotations

from agent.commands.doctor.examine import examine, run_doctor
from agent.commands.doctor.report import Report

__all__ = ["Report", "examine", "run_doctor"]
