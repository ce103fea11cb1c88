"""Is there anything to see? Black, overexposed, covered and frozen pictures are not an empty room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from agent.source.picture.thumbnail import thumbnail
from agent.source.picture.zones import ExclusionMask

if TYPE_CHECKING:
    from agent.settings import Polygon

Picture = Literal["good", "black", "overexposed", "covered", "frozen"]
"""What a camera shows."""

SAMPLE_INTERVAL_S: Final = 0.5
"""A lens is not taped between two frames; looking this often is enough and cheap."""
PATIENCE_S: Final = 2.0
"""A light that is switched, or a coat that brushes past, doesn't count."""
FROZEN_AFTER_S: Final = 10.0
"""Between two key frames of a stream a still scene may stay the same bit for bit; a frozen one longer."""
SHIMMER_LEVELS: Final = 1
SHIMMER_SHARE: Final = 0.01
"""An encoder that is fed one picture for ever still polishes a few samples by a level; a sensor's noise moves
many. A frozen picture that is encoded anew at a starved bit rate can't be told from a still scene by this."""
THAWED_AFTER_S: Final = 1.0
"""After this long without two like pictures in a row a frozen camera is alive again."""
THAWED_LEVELS: Final = 12
"""A change of one sample beyond this is no encoder's doing."""

BLACK_BELOW: Final = 20.0
"""Grey level that 95 % of a black picture's samples stay under."""
WHITE_ABOVE: Final = 235.0
"""Grey level that 95 % of an overexposed picture's samples stay over."""

LEAST_DETAIL: Final = 8.0
LEAST_DETAIL_SHARE: Final = 0.1
"""Of 2,781 everyday photos shown at 640×480 the flattest has 18 grey levels of detail, a thousandth has less
than 48; simulated tape and fingers (a blurred gradient of up to 80 levels, sensor noise of up to 8) reach 16
at most, and 8 with ordinary noise. The second bound grows with the brightness."""

_BLOCK: Final = 4
"""Samples along the side of a block; averaging sixteen of them leaves a quarter of the noise."""
_FEWEST_DIFFERENCES: Final = 30
"""Pictures too small, or zones too large, to tell anything."""


class PictureWatch:
    """Judges one source's frames.

    Args:
        zones: Exclusion zones; what they blackened is left out of the judgement.
    """

    def __init__(self, zones: tuple[Polygon, ...] = ()) -> None:
        self._mask = ExclusionMask(zones) if zones else None
        self._verdict: Picture = "good"
        self._suspicion: Picture = "good"
        self._suspected_at_s = 0.0
        self._looked_at_s: float | None = None
        self._visible: NDArray[np.bool_] | None = None
        self._freeze = _FreezeWatch()

    def look(self, pixels: NDArray[np.uint8], at_s: float) -> Picture:
        """What the camera shows, given this frame and those before it.

        Args:
            pixels: H×W×3 uint8, BGR, not empty; zones already black.
            at_s: Monotonic seconds of the capture.
        """
        if self._looked_at_s is not None and 0.0 <= at_s - self._looked_at_s < SAMPLE_INTERVAL_S:
            return self._verdict
        self._looked_at_s = at_s
        sample = thumbnail(pixels)
        frozen = self._freeze.is_frozen(sample, at_s)
        suspicion = self._judge(sample)
        if suspicion != self._suspicion:
            self._suspicion = suspicion
            self._suspected_at_s = at_s
        if suspicion == "good":
            self._verdict = "frozen" if frozen else "good"
        elif at_s - self._suspected_at_s >= PATIENCE_S:
            self._verdict = suspicion
        return self._verdict

    def _judge(self, sample: NDArray[np.uint8]) -> Picture:
        visible = self._visible_samples(sample.shape)
        seen = sample[visible]
        if seen.size == 0:
            return "good"
        # Positions in the sorted samples, by counting because that is faster than sorting.
        reached = np.cumsum(np.bincount(seen, minlength=256))
        low, high = np.searchsorted(reached, (0.05 * seen.size, 0.95 * seen.size))
        if high < BLACK_BELOW:
            return "black"
        if low > WHITE_ABOVE:
            return "overexposed"
        detail = _detail(sample, visible)
        if detail is not None and detail < max(LEAST_DETAIL, LEAST_DETAIL_SHARE * float(seen.mean())):
            return "covered"
        return "good"

    def _visible_samples(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        if self._visible is None or self._visible.shape != shape:
            canvas = np.full((*shape, 3), 255, np.uint8)
            if self._mask is not None:
                self._mask.apply(canvas)
            self._visible = canvas[:, :, 0] > 0
        return self._visible


def _detail(sample: NDArray[np.uint8], visible: NDArray[np.bool_]) -> float | None:
    """How far the strongest edges stand out from an even gradient, in grey levels; None if too little shows.

    The 99th percentile of second differences between neighbouring block means. A picture behind tape or a
    finger is a smooth gradient, whose second differences are noise.
    """
    rows, columns = (side // _BLOCK * _BLOCK for side in sample.shape)
    grid = (rows // _BLOCK, _BLOCK, columns // _BLOCK, _BLOCK)
    means = sample[:rows, :columns].reshape(grid).mean(axis=(1, 3), dtype=np.float32)
    means[~visible[:rows, :columns].reshape(grid).all(axis=(1, 3))] = np.nan
    bends = np.concatenate([np.abs(np.diff(means, 2, axis=axis)).ravel() for axis in (0, 1)])
    bends = bends[~np.isnan(bends)]
    return float(np.percentile(bends, 99.0)) if bends.size >= _FEWEST_DIFFERENCES else None


class _FreezeWatch:
    """Has a camera sent the same picture for too long? Judged by samples; a sensor moves some of them."""

    def __init__(self) -> None:
        self._same_since_s = 0.0
        self._same_at_s = 0.0
        self._sample: NDArray[np.uint8] | None = None
        self._frozen = False

    def is_frozen(self, sample: NDArray[np.uint8], at_s: float) -> bool:
        change = _change(sample, self._sample)
        same = self._only_shimmers(change)
        self._sample = sample
        if same:
            self._same_at_s = at_s
            self._frozen = self._frozen or at_s - self._same_since_s >= FROZEN_AFTER_S
        elif not self._frozen or self._has_thawed(change, at_s):
            self._frozen = False
            self._same_since_s = at_s
            self._same_at_s = at_s
        return self._frozen

    def _only_shimmers(self, change: NDArray[np.int16] | None) -> bool:
        if change is None or int(change.max(initial=0)) > SHIMMER_LEVELS:
            return False
        return int(np.count_nonzero(change)) < SHIMMER_SHARE * change.size

    def _has_thawed(self, change: NDArray[np.int16] | None, at_s: float) -> bool:
        jumped = change is None or int(change.max(initial=0)) > THAWED_LEVELS
        return jumped or at_s - self._same_at_s > THAWED_AFTER_S


def _change(sample: NDArray[np.uint8], before: NDArray[np.uint8] | None) -> NDArray[np.int16] | None:
    """How many grey levels each sample moved; None when there is nothing to compare."""
    if before is None or before.shape != sample.shape:
        return None
    moved: NDArray[np.int16] = np.abs(sample.astype(np.int16) - before)
    return moved
