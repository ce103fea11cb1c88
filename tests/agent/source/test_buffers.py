"""Frame buffers are reused, never overwritten while somebody holds them, and black once let go."""

from __future__ import annotations

import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agent.source.buffers import KEPT_BUFFERS, FrameBuffers


def test_a_buffer_is_used_again_once_its_frame_is_gone() -> None:
    buffers = FrameBuffers()
    first = buffers.claim(4, 4)
    address = first.ctypes.data
    del first
    assert buffers.claim(4, 4).ctypes.data == address


@given(st.lists(st.integers(0, 7), max_size=60))
def test_held_frames_never_change(holders: list[int]) -> None:
    """Eight holders keep the latest frame they took; each sees its own pixels while it holds them."""
    buffers = FrameBuffers()
    held: dict[int, tuple[int, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]] = {}
    for number, holder in enumerate(holders):
        view = buffers.claim(2, 3)
        view.fill(number)
        held[holder] = (number, view)
        del view
        for expected, pixels in held.values():
            assert (pixels == expected).all()


def test_more_holders_than_buffers_get_pictures_of_their_own() -> None:
    buffers = FrameBuffers()
    views = [buffers.claim(2, 2) for _ in range(KEPT_BUFFERS + 3)]
    assert len({view.ctypes.data for view in views}) == KEPT_BUFFERS + 3


def test_closing_blackens_free_buffers_at_once_and_lent_ones_when_let_go() -> None:
    buffers = FrameBuffers()
    lent = buffers.claim(2, 2)
    lent.fill(200)
    free = buffers.claim(2, 2)
    free.fill(100)
    memory_of_lent, memory_of_free = lent.base, free.base
    assert memory_of_lent is not None
    assert memory_of_free is not None
    del free
    buffers.close()
    assert not memory_of_free.any()
    assert (lent == 200).all()
    del lent
    assert not memory_of_lent.any()


def test_a_new_size_blackens_the_buffers_of_the_old_one() -> None:
    buffers = FrameBuffers()
    old = buffers.claim(2, 2)
    old.fill(9)
    memory = old.base
    assert memory is not None
    del old
    assert buffers.claim(3, 3).shape == (3, 3, 3)
    assert not memory.any()


def test_storing_a_foreign_picture_blackens_the_original() -> None:
    picture = np.full((2, 2, 3), 7, np.uint8)
    stored = FrameBuffers().store(picture)
    assert (stored == 7).all()
    assert not picture.any()


def test_a_frame_let_go_on_another_thread_frees_its_buffer() -> None:
    buffers = FrameBuffers()
    holder = [buffers.claim(2, 2)]
    address = holder[0].ctypes.data
    thread = threading.Thread(target=holder.clear)
    thread.start()
    thread.join()
    assert buffers.claim(2, 2).ctypes.data == address
