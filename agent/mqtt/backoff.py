"""Jittered waits between attempts."""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Full-jitter exponential delays: uniform in [``floor_s``, min(``cap_s``, ``first_s`` · 2ⁿ)].

    Spreads a fleet's return after its broker restarts (Brooker, "Exponential Backoff and Jitter", 2015).
    """

    def __init__(
        self,
        first_s: float = 1.0,
        cap_s: float = 60.0,
        floor_s: float = 0.1,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._first_s = first_s
        self._cap_s = cap_s
        self._floor_s = floor_s
        self._draw = draw
        self._ceiling_s = first_s

    def next_delay_s(self) -> float:
        """Seconds to wait before the next attempt."""
        ceiling_s = self._ceiling_s
        self._ceiling_s = min(self._cap_s, ceiling_s * 2.0)
        return max(self._floor_s, self._draw(self._floor_s, ceiling_s))

    def reset(self) -> None:
        """The last attempt worked and lasted."""
        self._ceiling_s = self._first_s
