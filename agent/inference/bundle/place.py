"""Where the bundle lies that came with the agent: told by this very file, never by the search path."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from agent.errors import ModelError

MANIFEST: Final = "manifest.toml"
_AGENT: Final = Path(__file__).resolve().parents[2]
SHIPPED: Final = (_AGENT / "bundle", _AGENT.parent / "models" / "bundle")
"""A wheel carries it inside the package; a checkout has it beside."""


def default_bundle_folder() -> Path:
    """Folder of the bundle installed with the agent.

    Raises:
        ModelError: No bundle is installed.
    """
    for folder in SHIPPED:
        if (folder / MANIFEST).is_file():
            return folder
    raise ModelError(
        "no model bundle is installed with the agent:"
        " install it again, or name a folder with a manifest.toml in models.bundle",
    )
