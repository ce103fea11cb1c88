"""Skips frames of a scene where nothing moves, but never waits longer than a set time to look again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from agent.picture.thumbnail import averaged

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVELS: Final = 256
LOOK_INTERVAL_S: Final = 0.09
"""Movement is looked for at most this often: every other frame at 15 frames a second, every third at 30."""
HOLD_S: Final = 1.0
"""After the last movement every frame is still looked at for this long: people pause."""
LEAST_CHANGE: Final = 10.0
"""Grey levels a cell must differ by at least. In a noisy room (uniform noise of 8 levels through H.264) the
third largest difference of an empty scene stays at 8 or below; a face of 16 pixels that stands out by no more
than 20 levels reaches this."""
NOISE_FACTOR: Final = 6.0
"""Times the median difference, which is four standard deviations of Gaussian noise."""
LEAST_CELLS: Final = 3
"""Changed cells that make a movement; a face 16 pixels high in 640×480 covers four."""
NOISE_MEMORY: Final = 0.1
"""Weight of the newest frame in the estimate of the noise."""


class MotionGate:
    """Decides frame by frame whether it is worth detecting in.

    Args:
        longest_pause_s: Frames are let through so often at least, as far as the camera delivers them.
    """

    def __init__(self, longest_pause_s: float) -> None:
        self._longest_pause_s = longest_pause_s
        self._reference: NDArray[np.int16] | None = None
        self._noise = 0.0
        self._previous_at_s = 0.0
        self._looked_at_s = 0.0
        self._admitted_at_s = 0.0
        self._moved_at_s = 0.0

    def admits(self, pixels: NDArray[np.uint8], at_s: float) -> bool:
        """Whether to look at this frame: something moves or has just moved, or it is time to.

        Args:
            pixels: H×W×3 uint8, BGR, not empty.
            at_s: Monotonic seconds of the capture; rising.
        """
        due = self._is_due(at_s)
        if self._reference is not None and not due and 0.0 <= at_s - self._looked_at_s < LOOK_INTERVAL_S:
            admitted = at_s - self._moved_at_s <= HOLD_S
        else:
            self._looked_at_s = at_s
            admitted = self._look(averaged(pixels).astype(np.int16), at_s, due=due)
        if admitted:
            self._admitted_at_s = at_s
        return admitted

    def _look(self, sample: NDArray[np.int16], at_s: float, *, due: bool) -> bool:
        if self._reference is None or self._moves(sample):
            self._moved_at_s = at_s
        admitted = due or at_s - self._moved_at_s <= HOLD_S
        if admitted:
            # Compared with the last frame let through, slow movement adds up.
            self._reference = sample
        return admitted

    def _is_due(self, at_s: float) -> bool:
        """Whether the frame after this one would come too late."""
        interval_s = at_s - self._previous_at_s
        self._previous_at_s = at_s
        return at_s + interval_s - self._admitted_at_s > self._longest_pause_s

    def _moves(self, sample: NDArray[np.int16]) -> bool:
        if self._reference is None or self._reference.shape != sample.shape:
            return True
        # How many cells differ by how much; counting is several times faster than sorting.
        counts = np.bincount(np.abs(sample - self._reference).ravel(), minlength=LEVELS)
        typical = float(np.searchsorted(np.cumsum(counts), sample.size // 2))
        if typical > LEAST_CHANGE + NOISE_FACTOR * self._noise:
            return True  # the light changed, or the camera was turned
        self._noise += NOISE_MEMORY * (typical - self._noise)
        threshold = max(LEAST_CHANGE, NOISE_FACTOR * max(typical, self._noise))
        return int(counts[int(threshold) + 1 :].sum()) >= LEAST_CELLS
