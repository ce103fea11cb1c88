"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_CONFIG = Path("/etc/emotion-agent/config.toml")
Config = Annotated[Path, typer.Option("--config", "-c", help="TOML file.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
