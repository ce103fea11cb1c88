"""What is asked of the importer: plain data that travels as JSON to a process of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What the user said; None is left to the file."""

    path: Path
    name: str | None = None
    """What a configuration will call the network."""
    bundle: Path | None = None
    labels: str | None = None
    colour: str = "RGB"
    scale: str | None = None
    licence: str | None = None
    head: str = "auto"
    input_px: str | None = None
    anchors: str | None = None
    image: Path | None = None
    replace: bool = False
    """Whether a network of the same name and size may be overwritten."""


REQUEST: Final = TypeAdapter(ImportRequest)
