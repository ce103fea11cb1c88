"""``python -m agent.bench``: the same as ``emotion-agent bench``."""

from __future__ import annotations

import sys

from agent.cli import main

sys.argv.insert(1, "bench")
main()
