"""Frame buffers that are used again and again, and hold no picture once they are let go."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEPT_BUFFERS: Final = 4
"""One being written, one in the mailbox, one in the pipeline, one changing hands."""


class PictureBuffers(Protocol):
    """Where a camera puts its pictures."""

    def claim(self, height_px: int, width_px: int) -> NDArray[np.uint8]:
        """Lend a writable H×W×3 buffer of undefined content that nobody else is looking at."""

    def store(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Move a foreign H×W×3 picture into a lent buffer and blacken the original."""

    def close(self) -> None:
        """Let go of every buffer and see that none keeps a picture."""


class FrameBuffers:
    """Pictures of the camera's present size, lent out as views.

    A buffer is free again when the lent view has been garbage-collected, so whoever holds a frame keeps
    its pixels unchanged without handing anything back. Nobody may keep a slice of a frame's pixels
    longer than the frame. Only the capturing thread calls the methods; views may die on any thread.
    """

    def __init__(self) -> None:
        self._ring: _Ring | None = None

    def claim(self, height_px: int, width_px: int) -> NDArray[np.uint8]:
        """Lend a writable buffer that nobody else is looking at.

        Returns:
            H×W×3 uint8 of undefined content.
        """
        shape = (height_px, width_px, 3)
        if self._ring is None or self._ring.shape != shape:
            self.close()
            self._ring = _Ring(shape)
        return self._ring.claim()

    def store(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Move a foreign picture into a buffer of ours and blacken the original.

        Args:
            pixels: H×W×3 uint8, writable.

        Returns:
            A lent buffer with the same content.
        """
        view = self.claim(*pixels.shape[:2])
        np.copyto(view, pixels)
        pixels.fill(0)
        return view

    def close(self) -> None:
        """Blacken every buffer: free ones now, lent ones as soon as their last holder lets go."""
        if self._ring is not None:
            self._ring.retire()
            self._ring = None


class _Ring:
    """Buffers of one size."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self._buffers: list[NDArray[np.uint8]] = []
        self._lent: list[weakref.ref[NDArray[np.uint8]] | None] = []
        self._retired = False

    def claim(self) -> NDArray[np.uint8]:
        for slot, lent in enumerate(self._lent):
            if lent is None or lent() is None:
                return self._lend(slot)
        if len(self._buffers) < KEPT_BUFFERS:
            self._buffers.append(np.empty(self.shape, np.uint8))
            self._lent.append(None)
            return self._lend(len(self._buffers) - 1)
        # Somebody sits on old frames: serve a buffer that isn't kept rather than overwrite theirs.
        return np.empty(self.shape, np.uint8)

    def _lend(self, slot: int) -> NDArray[np.uint8]:
        view = self._buffers[slot][:]
        self._lent[slot] = weakref.ref(view, partial(self._returned, slot))
        return view

    def retire(self) -> None:
        # The flag goes first: a view that dies during the loop is then blackened by its callback.
        self._retired = True
        for slot, lent in enumerate(self._lent):
            if lent is None or lent() is None:
                self._buffers[slot].fill(0)

    def _returned(self, slot: int, _view: weakref.ref[NDArray[np.uint8]]) -> None:
        if self._retired:
            self._buffers[slot].fill(0)
