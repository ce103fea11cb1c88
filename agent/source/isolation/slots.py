"""Pictures in memory that a camera process writes and the agent reads, without a copy in between.

The camera process asks for memory, one slot per picture; the agent makes it, seals its size, because a
mapping that shrinks kills whoever looks at it, and hands over the descriptor. A slot belongs to one side at a
time: the writer fills a free one and sends its number; the reader sends the number back once nobody holds the
picture any more. The memory has no name in any file system and dies with its last user.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.source.buffers import PictureBuffers, Ring
from agent.source.sizes import is_too_large

SLOTS: Final = 5
"""One being written, one on the way, one in the mailbox, one in the pipeline, one changing hands."""
_SEALS: Final = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


@dataclass(frozen=True, slots=True)
class SlotLayout:
    """Size and number of the pictures in one piece of shared memory."""

    generation: int
    """Counts up whenever the size changes or the camera is opened anew."""
    height_px: int
    width_px: int
    slots: int = SLOTS

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Slots × rows × columns × colours."""
        return (self.slots, self.height_px, self.width_px, 3)


def _map(descriptor: int, layout: SlotLayout) -> NDArray[np.uint8]:
    # The array keeps the mapping alive, and the mapping outlives its descriptor.
    memory = mmap.mmap(descriptor, prod(layout.shape))
    pictures: NDArray[np.uint8] = np.frombuffer(memory, np.uint8).reshape(layout.shape)
    return pictures


class SlotWriter(PictureBuffers):
    """The camera process's side; gives a camera its buffers.

    Args:
        ask: Gets the descriptor of memory for a layout.
    """

    def __init__(self, ask: Callable[[SlotLayout], int]) -> None:
        self._ask = ask
        self._layout = SlotLayout(0, 0, 0, 0)
        self._pictures: NDArray[np.uint8] | None = None
        self._free: list[int] = []
        self._current: int | None = None
        self._scratch: NDArray[np.uint8] | None = None

    def claim(self, height_px: int, width_px: int) -> NDArray[np.uint8]:
        """Lend the buffer for the next picture; the same one until it has been handed over."""
        if self._pictures is None or (height_px, width_px) != self._pictures.shape[1:3]:
            self._new_layout(height_px, width_px)
        if self._current is None and self._free:
            self._current = self._free.pop()
        if self._current is not None and self._pictures is not None:
            view: NDArray[np.uint8] = self._pictures[self._current]
            return view
        if self._scratch is None:
            self._scratch = np.empty((height_px, width_px, 3), np.uint8)
        return self._scratch

    def hand_over(self) -> tuple[int, int] | None:
        """Give the picture just written away.

        Returns:
            Generation and slot; None when the reader held every slot, so that the picture is lost.
        """
        if self._current is None:
            return None
        slot, self._current = self._current, None
        return self._layout.generation, slot

    def take_back(self, generation: int, slot: int) -> None:
        """The reader is done with a slot."""
        if generation == self._layout.generation:
            self._free.append(slot)

    def close(self) -> None:
        """Let go of the memory. The reader blackens it, because it may still be looking."""
        self._pictures = None
        self._free = []
        self._current = None
        if self._scratch is not None:
            self._scratch.fill(0)
            self._scratch = None

    def _new_layout(self, height_px: int, width_px: int) -> None:
        self.close()
        self._layout = SlotLayout(self._layout.generation + 1, height_px, width_px)
        descriptor = self._ask(self._layout)
        try:
            self._pictures = _map(descriptor, self._layout)
        finally:
            os.close(descriptor)
        self._free = list(range(self._layout.slots))


class SlotReader(Ring):
    """The agent's side of one layout, which makes its memory.

    Args:
        layout: As asked for.
        hand_out: Called once with the descriptor of the memory, which is closed afterwards.
        give_back: Called with generation and slot when a picture's last holder is gone, on whatever
            thread that happens.

    Raises:
        ValueError: The layout is none that a camera has.
    """

    def __init__(
        self,
        layout: SlotLayout,
        hand_out: Callable[[int], None],
        give_back: Callable[[int, int], None],
    ) -> None:
        sides = (layout.height_px, layout.width_px)
        if layout.slots != SLOTS or min(sides) < 1 or is_too_large(*sides):
            raise ValueError("no layout")
        descriptor = os.memfd_create("emotion-agent-frames", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(descriptor, prod(layout.shape))
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
            pictures = _map(descriptor, layout)
            hand_out(descriptor)
        finally:
            os.close(descriptor)
        self.generation = layout.generation
        super().__init__(pictures, partial(give_back, layout.generation))
