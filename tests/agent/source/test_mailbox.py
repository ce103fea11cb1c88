"""The mailbox keeps the latest frame of each source, takes turns, and counts what it drops."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.frame import Frame
from agent.source.mailbox import Mailbox
from tests.support.waiting import DEADLINE_S


def frame(source: str, index: int) -> Frame:
    return Frame(np.zeros((2, 2, 3), np.uint8), float(index), source, index)


def test_the_latest_frame_wins_and_the_older_ones_are_counted() -> None:
    mailbox = Mailbox(["door"])
    for index in range(5):
        assert mailbox.put(frame("door", index))
    taken = mailbox.take(0.0)
    assert taken is not None
    assert taken.index == 4
    assert mailbox.dropped_by("door") == 4
    assert mailbox.take(0.0) is None


def test_drops_are_counted_per_source() -> None:
    mailbox = Mailbox(["door", "hall"])
    for index in range(3):
        mailbox.put(frame("hall", index))
    assert (mailbox.dropped_by("door"), mailbox.dropped_by("hall")) == (0, 2)


def test_sources_take_turns_however_fast_one_of_them_is() -> None:
    mailbox = Mailbox(["door", "hall", "yard"])
    order = []
    for index in range(30):
        for _ in range(3):
            mailbox.put(frame("hall", index))
        mailbox.put(frame("door", index))
        mailbox.put(frame("yard", index))
        taken = mailbox.take(0.0)
        assert taken is not None
        order.append(taken.source)
    assert {name: order.count(name) for name in ("door", "hall", "yard")} == {
        "door": 10, "hall": 10, "yard": 10,
    }  # fmt: skip


def test_take_wakes_up_for_a_frame() -> None:
    mailbox = Mailbox(["door"])
    taken: list[Frame | None] = []
    taker = threading.Thread(target=lambda: taken.append(mailbox.take(2.0 * DEADLINE_S)))
    taker.start()
    mailbox.put(frame("door", 7))
    taker.join(DEADLINE_S)
    assert [f.index for f in taken if f is not None] == [7]


def test_take_gives_up_after_its_timeout() -> None:
    assert Mailbox(["door"]).take(0.01) is None


def test_a_waiting_put_loses_no_frame() -> None:
    mailbox = Mailbox(["clip"])

    def fill() -> None:
        for index in range(200):
            mailbox.put(frame("clip", index), wait=True)

    writer = threading.Thread(target=fill)
    writer.start()
    seen = [taken.index for taken in (mailbox.take(DEADLINE_S) for _ in range(200)) if taken is not None]
    writer.join(DEADLINE_S)
    assert seen == list(range(200))
    assert mailbox.dropped_by("clip") == 0


@pytest.mark.parametrize("action", ["take", "put"])
def test_close_wakes_whoever_waits(action: str) -> None:
    mailbox = Mailbox(["door"])
    results: list[object] = []

    def wait() -> None:
        if action == "take":
            results.append(mailbox.take(2.0 * DEADLINE_S))
        else:
            mailbox.put(frame("door", 0))
            results.append(mailbox.put(frame("door", 1), wait=True))

    waiter = threading.Thread(target=wait)
    waiter.start()
    mailbox.close()
    waiter.join(DEADLINE_S)
    assert not waiter.is_alive()
    assert results in ([None], [False])


def test_a_closed_mailbox_holds_and_accepts_no_frame() -> None:
    mailbox = Mailbox(["door"])
    mailbox.put(frame("door", 0))
    mailbox.close()
    assert mailbox.empty
    assert not mailbox.put(frame("door", 1))
    assert mailbox.take(0.0) is None


@given(st.lists(st.one_of(st.sampled_from(["a", "b", "c"]), st.none()), max_size=60))
def test_every_frame_is_taken_dropped_or_waiting(actions: list[str | None]) -> None:
    """Whatever the order of puts (a name) and takes (None), no frame is lost uncounted or doubled."""
    mailbox = Mailbox(["a", "b", "c"])
    taken = 0
    for index, action in enumerate(actions):
        if action is None:
            taken += mailbox.take(0.0) is not None
        else:
            mailbox.put(frame(action, index))
    while mailbox.take(0.0) is not None:
        taken += 1
    dropped = sum(mailbox.dropped_by(source) for source in "abc")
    assert taken + dropped == sum(action is not None for action in actions)
