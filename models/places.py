"""Where shipped things lie in a checkout, and where the data are looked for."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_MODELS: Final = Path(__file__).resolve().parent
BUNDLE: Final = _MODELS / "bundle"
WEIGHTS: Final = _MODELS / "weights"
LOGS: Final = _MODELS / "logs"
"""One folder per shipped network with the log of the run that made it."""
DATA: Final = Path("../shared/data")
