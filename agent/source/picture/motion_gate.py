"""Skips frames of a scene where nothing moves, but never waits longer than a set time to look again."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.source.picture.thumbnail import averaged
from agent.source.rest import LATENESS, Rest

LEVELS: Final = 256
LOOK_INTERVAL_S: Final = 0.09
"""While something moves, it is looked for at most this often: every third frame at 30 frames a second."""
IDLE_LOOK_S: Final = 0.5
"""While nothing moves, at most this long passes between two looks; frames in between needn't be decoded."""
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

    A still scene is looked at in even steps, of which every n-th lets its frame through whatever it
    shows. It makes no difference whether the frames between the steps are handed in.

    Args:
        longest_pause_s: Frames are let through so often at least, as far as the camera delivers them.
    """

    def __init__(self, longest_pause_s: float) -> None:
        self._longest_pause_s = longest_pause_s
        self._step_s = longest_pause_s / math.ceil(longest_pause_s / IDLE_LOOK_S)
        self._rest = Rest()
        self._reference: NDArray[np.int16] | None = None
        self._noise = 0.0
        self._previous_at_s = 0.0
        self._looked_at_s = 0.0
        self._admitted_at_s = 0.0
        self._moved_at_s = 0.0
        self._next_look_s = 0.0

    @property
    def rests_until_s(self) -> float:
        """The last frame before this time is the next one to hand in; in the past while something moves."""
        return self._next_look_s

    def admits(self, pixels: NDArray[np.uint8], at_s: float) -> bool:
        """Whether to look at this frame: something moves or has just moved, or it is time to.

        Args:
            pixels: H×W×3 uint8, BGR, not empty.
            at_s: Monotonic seconds of the capture; rising.
        """
        if self._rest.covers(at_s):
            return False
        due = self._is_due(at_s)
        follows = self._reference is not None and at_s - self._moved_at_s <= HOLD_S
        if not follows or at_s - self._looked_at_s >= LOOK_INTERVAL_S:
            self._looked_at_s = at_s
            follows = self._look(averaged(pixels).astype(np.int16), at_s, due=due)
        admitted = due or follows
        if admitted:
            self._admitted_at_s = at_s
        self._plan(at_s, still=not follows)
        return admitted

    def _look(self, sample: NDArray[np.int16], at_s: float, *, due: bool) -> bool:
        """Whether something moves or has just moved."""
        if self._reference is None or self._moves(sample):
            self._moved_at_s = at_s
        follows = at_s - self._moved_at_s <= HOLD_S
        if due or follows:
            # Compared with the last frame let through, slow movement adds up.
            self._reference = sample
        return follows

    def _is_due(self, at_s: float) -> bool:
        """Whether the next look would come too late."""
        interval_s, self._previous_at_s = at_s - self._previous_at_s, at_s
        due_s = self._admitted_at_s + self._longest_pause_s
        if at_s <= self._next_look_s:
            return self._next_look_s >= due_s
        return at_s + LATENESS * interval_s > due_s

    def _plan(self, at_s: float, *, still: bool) -> None:
        if not still:
            self._next_look_s = 0.0
        elif at_s == self._admitted_at_s:
            self._next_look_s = at_s + self._step_s
        else:
            due_s = self._admitted_at_s + self._longest_pause_s
            next_s = max(at_s, self._next_look_s) + self._step_s
            self._next_look_s = due_s if next_s > due_s - self._step_s / 2.0 else next_s
        self._rest.until(self._next_look_s)

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
