"""While nothing moves in front of it, a camera may pass frames over before it decodes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

LATENESS: Final = 1.25
"""A frame may take this many times as long as the one before it, and the next look is still in time."""


class Rest:
    """Tells a camera, between taking a frame from the driver and decoding it, whether anybody looks at it.

    Args:
        listen: Called before each answer, to take in what was asked for meanwhile.
    """

    def __init__(self, listen: Callable[[], None] = lambda: None) -> None:
        self._listen = listen
        self._until_s = 0.0
        self._previous_at_s: float | None = None

    def until(self, at_s: float) -> None:
        """Rest up to a time; the last frame before it is looked at. A time in the past ends the rest.

        Args:
            at_s: Monotonic seconds.
        """
        self._until_s = at_s

    def covers(self, at_s: float) -> bool:
        """Whether the present frame may be passed over because the next one still comes in time.

        Ask for each frame, in order.

        Args:
            at_s: Monotonic seconds at which the driver handed it over.
        """
        self._listen()
        previous_at_s, self._previous_at_s = self._previous_at_s, at_s
        if previous_at_s is None:
            return False
        return at_s + LATENESS * (at_s - previous_at_s) <= self._until_s
