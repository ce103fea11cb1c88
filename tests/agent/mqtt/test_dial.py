"""Waiting for a broker: jitter that spreads a fleet, and waits that end when asked to."""

from __future__ import annotations

import select
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.mqtt.backoff import Backoff
from agent.mqtt.dial import Dial
from agent.mqtt.link import BrokerLink
from agent.mqtt.wake import Wake
from agent.settings import MqttSettings
from tests.support.ports import free_port
from tests.support.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@given(st.integers(0, 40), st.floats(0.0, 1.0))
def test_delays_stay_between_floor_and_cap_whatever_the_dice_say(attempts: int, dice: float) -> None:
    backoff = Backoff(first_s=1.0, cap_s=60.0, floor_s=0.1, draw=lambda low, high: low + dice * (high - low))
    delays = [backoff.next_delay_s() for _ in range(attempts + 1)]
    assert all(0.1 <= delay <= 60.0 for delay in delays)
    assert delays == sorted(delays)


def test_the_ceiling_doubles_up_to_the_cap_and_starts_again_after_a_reset() -> None:
    backoff = Backoff(first_s=1.0, cap_s=60.0, draw=lambda _low, high: high)
    assert [backoff.next_delay_s() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    backoff.reset()
    assert backoff.next_delay_s() == 1.0


def test_a_fleet_does_not_come_back_in_step() -> None:
    """A thousand devices after ten failures: no second of the next minute gets more than a twentieth."""
    seconds = [0] * 61
    for _ in range(1_000):
        backoff = Backoff()
        for _ in range(10):
            backoff.next_delay_s()
        seconds[int(backoff.next_delay_s())] += 1
    assert max(seconds) < 50


@pytest.fixture
def wake() -> Iterator[Wake]:
    with closing(Wake()) as it:
        yield it


def is_set(wake: Wake) -> bool:
    """Whether a wait would end at once."""
    return bool(select.select([wake], [], [], 0.0)[0])


def test_a_wake_set_before_the_wait_is_not_lost(wake: Wake) -> None:
    for _ in range(10_000):
        wake.set()
    assert is_set(wake)
    wake.wait(DEADLINE_S)
    while is_set(wake):
        wake.clear()
    wake.set()
    assert is_set(wake)


def test_a_wake_ends_the_wait_of_another_thread_and_survives_its_end(wake: Wake) -> None:
    woken = threading.Event()

    def wait() -> None:
        wake.wait(2.0 * DEADLINE_S)
        woken.set()

    waiter = threading.Thread(target=wait)
    waiter.start()
    wake.set()
    assert woken.wait(DEADLINE_S)
    waiter.join()
    wake.close()
    wake.set()


def test_a_failed_dial_reports_its_sentence_and_wakes_the_waiter(wake: Wake) -> None:
    dial = Dial(BrokerLink(MqttSettings(host="127.0.0.1", port=free_port()), "test"), wake)
    assert dial.finished.wait(DEADLINE_S)
    wait_until(lambda: is_set(wake), "the waiter to be woken")
    assert "is not listening" in str(dial.error)
