"""Stamps stay sane whatever the system clock does."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.contract.messages import WindowMessage, counts_message
from agent.domain import EmotionWindow
from agent.publisher.stamping import LARGEST_OVERLAP_S, Stamper
from agent.publisher.waiting import WaitingWindow
from agent.publisher.wallclock import WallClock, boot_id, clock_is_synchronised
from tests.support.message_samples import SESSION, disclosure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

YEAR_S = 365.0 * 86_400.0
WINDOW_S = 300.0


@dataclass
class Board:
    """A board's two clocks."""

    monotonic_s: float = 10.0
    wall_s: float = 1_700_000_000.0
    synced: bool = True

    def clock(self) -> WallClock:
        """The agent's view of it."""
        return WallClock(lambda: self.monotonic_s, lambda: self.wall_s, lambda: self.synced)

    def pass_time(self, seconds: float) -> None:
        """Both clocks advance."""
        self.monotonic_s += seconds
        self.wall_s += seconds


class Windows:
    """Closes touching windows on a board's monotonic clock."""

    def __init__(self, board: Board, clock: WallClock) -> None:
        self.board = board
        self.clock = clock
        self.seq = 0

    def close_next(self) -> WaitingWindow:
        """One more window, stamped when it closes."""
        opened_at_s = self.board.monotonic_s
        self.board.pass_time(WINDOW_S)
        self.clock.refresh()
        window = EmotionWindow("door", self.seq, opened_at_s, self.board.monotonic_s, 1.0)
        self.seq += 1
        stamps = self.clock.stamps(window.opened_at_s, window.closed_at_s)
        message = counts_message(window, disclosure(), SESSION, stamps)
        return WaitingWindow("door", message, window.opened_at_s, window.closed_at_s, "boot")


def assert_sane(messages: Sequence[WindowMessage]) -> None:
    assert all(message.window_end > message.window_start for message in messages)
    trusted = [message for message in messages if message.clock_synced]
    ordered = sorted(trusted, key=lambda message: message.window_start)
    assert all(a.window_end <= b.window_start for a, b in itertools.pairwise(ordered))


def test_windows_touch_while_nothing_happens() -> None:
    board = Board()
    windows = Windows(board, board.clock())
    stamper = Stamper(windows.clock, "boot")
    sent = [stamper.stamp(windows.close_next()) for _ in range(5)]
    assert all(a.window_end == b.window_start for a, b in itertools.pairwise(sent))
    assert all(message.clock_synced for message in sent)


def test_an_unsynchronised_clock_may_jump_without_moving_the_stamps() -> None:
    board = Board(synced=False)
    windows = Windows(board, board.clock())
    stamper = Stamper(windows.clock, "boot")
    sent = [stamper.stamp(windows.close_next())]
    board.wall_s += YEAR_S
    sent.append(stamper.stamp(windows.close_next()))
    board.wall_s -= 2 * YEAR_S
    sent.append(stamper.stamp(windows.close_next()))
    assert all(a.window_end == b.window_start for a, b in itertools.pairwise(sent))
    assert not any(message.clock_synced for message in sent)


def test_windows_waiting_since_before_synchronisation_are_stamped_with_the_right_time() -> None:
    """A Pi without a battery clock boots in the past and learns the time minutes later."""
    board = Board(synced=False)
    true_s = board.wall_s + YEAR_S
    windows = Windows(board, board.clock())
    waiting = [windows.close_next() for _ in range(3)]
    board.wall_s += YEAR_S
    board.synced = True
    assert windows.clock.refresh()
    stamper = Stamper(windows.clock, "boot")
    sent = [stamper.stamp(window) for window in waiting]
    assert [message.window_start.timestamp() for message in sent] == [
        true_s + WINDOW_S * number for number in range(3)
    ]
    assert all(message.clock_synced for message in sent)


def test_windows_of_an_earlier_boot_keep_their_stamps_and_their_flag() -> None:
    board = Board(synced=False)
    windows = Windows(board, board.clock())
    waiting = windows.close_next()
    board.synced = True
    windows.clock.refresh()
    sent = Stamper(windows.clock, "another boot").stamp(waiting)
    assert sent == waiting.message
    assert not sent.clock_synced


def test_a_window_sent_twice_has_the_same_stamps() -> None:
    board = Board()
    windows = Windows(board, board.clock())
    stamper = Stamper(windows.clock, "boot")
    waiting = [windows.close_next() for _ in range(12)]
    first = [stamper.stamp(window) for window in waiting]
    assert [stamper.stamp(window) for window in waiting] == first


def test_a_synchronised_step_back_never_overlaps_and_is_caught_up_with() -> None:
    board = Board()
    windows = Windows(board, board.clock())
    stamper = Stamper(windows.clock, "boot")
    sent = [stamper.stamp(windows.close_next()) for _ in range(10)]
    board.wall_s -= 3_600.0
    sent += [stamper.stamp(windows.close_next()) for _ in range(40)]
    assert_sane(sent)
    assert not sent[10].clock_synced
    assert sent[-1].clock_synced
    assert sent[-1].window_end.timestamp() == board.wall_s


@settings(deadline=None)
@given(
    st.booleans(),
    st.lists(st.tuples(st.floats(-YEAR_S, YEAR_S), st.booleans()), max_size=8),
)
def test_no_sequence_of_jumps_makes_trusted_windows_negative_or_overlapping(
    synced: bool,  # noqa: FBT001
    jumps: list[tuple[float, bool]],
) -> None:
    """Steps back of more than a day are followed at once and are left out here."""
    board = Board(synced=synced)
    windows = Windows(board, board.clock())
    stamper = Stamper(windows.clock, "boot")
    sent = []
    for jump_s, board.synced in jumps:
        board.wall_s += max(jump_s, -LARGEST_OVERLAP_S / 16.0)
        sent += [stamper.stamp(windows.close_next()) for _ in range(2)]
    assert_sane(sent)


def test_a_jump_of_a_year_either_way_leaves_windows_whole() -> None:
    for jump_s in (YEAR_S, -YEAR_S):
        board = Board()
        windows = Windows(board, board.clock())
        stamper = Stamper(windows.clock, "boot")
        sent = [stamper.stamp(windows.close_next()) for _ in range(3)]
        board.wall_s += jump_s
        sent += [stamper.stamp(windows.close_next()) for _ in range(3)]
        assert_sane(sent)


def test_timesyncd_mark_means_synchronised(tmp_path: Path) -> None:
    mark = tmp_path / "synchronized"
    mark.touch()
    assert clock_is_synchronised(mark)
    assert isinstance(clock_is_synchronised(tmp_path / "absent"), bool)


def test_an_unknown_boot_is_an_empty_id(tmp_path: Path) -> None:
    assert boot_id(tmp_path / "absent") == ""
    assert boot_id() == boot_id()
