"""Frame buffers that are used again and again, and hold no picture once they are let go."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

KEPT_BUFFERS: Final = 4
"""One being written, one in the mailbox, one in the pipeline, one changing hands."""


class PictureBuffers(Protocol):
    """Where a camera puts its pictures."""

    def claim(self, height_px: int, width_px: int) -> NDArray[np.uint8]:
        """Lend a writable H×W×3 buffer of undefined content that nobody else is looking at."""

    def store(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Move a foreign, writable H×W×3 picture into a lent buffer and blacken the original."""
        view = self.claim(*pixels.shape[:2])
        np.copyto(view, pixels)
        pixels.fill(0)
        return view

    def close(self) -> None:
        """Let go of every buffer and see that none keeps a picture."""


class Ring:
    """Pictures of one size, lent out as views.

    Args:
        pictures: May grow, up to the retirement.
        given_back: Called with the picture's place when its last holder is gone, on whatever thread that
            happens; no more after the retirement.
    """

    def __init__(
        self,
        pictures: Sequence[NDArray[np.uint8]] | NDArray[np.uint8],
        given_back: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._pictures = pictures
        self._given_back = given_back
        self._lent: dict[int, weakref.ref[NDArray[np.uint8]]] = {}
        self._retired = False

    def lend(self, slot: int) -> NDArray[np.uint8]:
        """A view of one picture, writable."""
        view: NDArray[np.uint8] = self._pictures[slot][:]
        self._lent[slot] = weakref.ref(view, partial(self._returned, slot))
        return view

    def is_free(self, slot: int) -> bool:
        """Whether nobody holds it."""
        lent = self._lent.get(slot)
        return lent is None or lent() is None

    def retire(self) -> None:
        """Blacken every picture: those nobody holds now, the others as soon as they are let go."""
        # The flag goes first: a view that dies during the loop is then blackened by its callback.
        self._retired = True
        for slot, picture in enumerate(self._pictures):
            if self.is_free(slot):
                picture.fill(0)

    def _returned(self, slot: int, _view: weakref.ref[NDArray[np.uint8]]) -> None:
        if self._retired:
            self._pictures[slot].fill(0)
        else:
            self._given_back(slot)


class FrameBuffers(PictureBuffers):
    """Pictures of the camera's present size, lent out as views.

    A buffer is free again when the lent view has been garbage-collected, so whoever holds a frame keeps
    its pixels unchanged without handing anything back. Nobody may keep a slice of a frame's pixels
    longer than the frame. Only the capturing thread calls the methods; views may die on any thread.
    """

    def __init__(self) -> None:
        self._buffers: list[NDArray[np.uint8]] = []
        self._ring = Ring(self._buffers)

    def claim(self, height_px: int, width_px: int) -> NDArray[np.uint8]:
        """See :meth:`PictureBuffers.claim`."""
        shape = (height_px, width_px, 3)
        if self._buffers and self._buffers[0].shape != shape:
            self.close()
        for slot in range(len(self._buffers)):
            if self._ring.is_free(slot):
                return self._ring.lend(slot)
        buffer = np.empty(shape, np.uint8)
        if len(self._buffers) == KEPT_BUFFERS:
            # Somebody sits on old frames: serve a buffer that isn't kept rather than overwrite theirs.
            return buffer
        self._buffers.append(buffer)
        return self._ring.lend(len(self._buffers) - 1)

    def close(self) -> None:
        """See :meth:`PictureBuffers.close`; lent buffers are blackened when their last holder lets go."""
        self._ring.retire()
        self._buffers = []
        self._ring = Ring(self._buffers)
