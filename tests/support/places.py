"""Where things lie in the checkout, and beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
SYSTEMD: Final = ROOT / "systemd"
BUNDLE: Final = ROOT / "models" / "bundle"
RELEASE_0_1: Final = Path(__file__).with_name("release_0_1")
"""What that release has left on a device: configuration, queue of unsent windows, remembered choice."""
DATA: Final = ROOT.parent / "shared" / "data"
PEERS: Final = ROOT.parent / "shared" / "peers"
