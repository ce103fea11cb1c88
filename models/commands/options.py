"""Options that several commands share, and where shipped things lie."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

_MODELS: Final = Path(__file__).resolve().parent.parent
BUNDLE: Final = _MODELS / "bundle"
WEIGHTS: Final = _MODELS / "weights"
LOGS: Final = _MODELS / "logs"
"""One folder per shipped network with the log of the run that made it."""
DATA: Final = Path("../shared/data")

Data = Annotated[Path, typer.Option(help="Folder with the data files.")]
