"""``python -m agent`` is ``emotion-agent``."""

from agent.cli import main

main()
