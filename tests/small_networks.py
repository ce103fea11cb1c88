"""Networks small enough to train, export and run in a moment."""

from __future__ import annotations

from typing import Final

from models.mobilenet import MobileNetSpec, Stage

SMALL_MOBILENET: Final = MobileNetSpec(
    stem_channels=8,
    stem_kernel_px=5,
    stem_stride=2,
    stages=(
        Stage(channels=8, blocks=1, stride=1, expansion=1, fused=True),
        Stage(channels=16, blocks=1, stride=2, expansion=3, fused=True),
        Stage(channels=16, blocks=2, stride=1, expansion=1, fused=True),
        Stage(channels=32, blocks=1, stride=2, expansion=2, fused=True),
        Stage(channels=32, blocks=2, stride=1, expansion=3, fused=False),
    ),
    head_channels=128,
)
"""Every kind of block of the classifier family."""
