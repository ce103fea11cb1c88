"""The one type that carries pixels. Nothing from the aggregator onwards may import this module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture in memory. Its repr shows the size only, so that no log or traceback holds pixels."""

    pixels: NDArray[np.uint8]
    """H×W×3 uint8, BGR."""
    captured_at_s: float
    """Monotonic seconds at which the driver handed it over."""
    source: str
    """Name of the source in the configuration."""
    index: int
    """Frames delivered by this source before this one."""

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.pixels.shape[1])

    def __repr__(self) -> str:
        return f"Frame({self.source!r} #{self.index}, {self.width}x{self.height})"
