"""Where things lie in the checkout, and beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
SYSTEMD: Final = ROOT / "systemd"
BUNDLE: Final = ROOT / "models" / "bundle"
DATA: Final = ROOT.parent / "shared" / "data"
PEERS: Final = ROOT.parent / "shared" / "peers"
