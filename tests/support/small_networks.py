"""Networks small enough to train, export and run in a moment."""

from __future__ import annotations

from typing import Final

from models.networks.mobilenet import MobileNetSpec, Stage

SMALL_MOBILENET: Final = MobileNetSpec(
    stem_channels=8,
    stages=(
        Stage(channels=16, blocks=1, stride=2),
        Stage(channels=16, blocks=1, stride=1),
        Stage(channels=32, blocks=1, stride=2),
        Stage(channels=32, blocks=1, stride=2, expansion=2),
        Stage(channels=32, blocks=2, stride=1, expansion=3),
    ),
    head_channels=128,
)
"""Every kind of block of the classifier family."""
