"""A publisher in a process of its own, to be killed.

``python -m tests.support.publisher_process PORT STATE COUNT [online]``

Closes COUNT short windows, one after the other, and prints ``SESSION SEQ`` for each as soon as it is out of
danger: acknowledged by the broker or safe in the queue file. With ``online`` it waits for the broker before
the first window. Prints ``done`` and keeps publishing health
until SIGTERM, then stops cleanly.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from agent.contract.messages import new_session_id
from agent.mqtt.backoff import Backoff
from agent.publisher import delivery
from agent.publisher.thread import Publisher
from agent.settings import MqttSettings
from tests.support.message_samples import IDENTITY, birth, disclosure, health, window
from tests.support.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW_S = float(os.environ.get("SOAK_WINDOW_S", "0.02"))
KEEPALIVE_S = int(os.environ.get("SOAK_KEEPALIVE_S", "60"))
SECURE_AFTER_S = float(os.environ.get("SOAK_SECURE_AFTER_S", delivery.SECURE_AFTER_S))
HEALTH_S = 1.0


def main() -> None:
    """See the module."""
    port, state, count = int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    delivery.SECURE_AFTER_S = SECURE_AFTER_S  # type: ignore[misc]
    stopped = stopped_by_sigterm()
    session = new_session_id()
    publisher = Publisher(
        MqttSettings(host="127.0.0.1", port=port, keepalive_s=KEEPALIVE_S),
        IDENTITY,
        birth(session),
        state_dir=state,
        backoff=Backoff(first_s=0.05, cap_s=0.4, floor_s=0.02),
        replay_per_s=200.0,
    )
    publisher.start()
    while "online" in sys.argv and not publisher.status().connected and not stopped(0.0):
        time.sleep(0.01)
    for seq in range(count):
        if stopped(0.0):
            break
        publisher.publish_counts(window(seq, length_s=WINDOW_S), disclosure())
        while not stopped(0.0) and unsafe(publisher):
            time.sleep(0.001)
        sys.stdout.write(f"{session} {seq}\n")
        sys.stdout.flush()
        stopped(WINDOW_S)
    sys.stdout.write("done\n")
    sys.stdout.flush()
    while not stopped(HEALTH_S):
        publisher.publish_health(health(frames_dropped=int(time.monotonic())))
    publisher.stop(DEADLINE_S / 2.0)


def stopped_by_sigterm() -> Callable[[float], bool]:
    """Waits so many seconds for SIGTERM; true as soon as it has come, and ever after.

    Not an event: a handler that sets one hangs where it interrupts the holder of the event's lock.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    signal.signal(signal.SIGTERM, lambda *_: None)
    return lambda wait_s: bool(select.select([reader], [], [], wait_s)[0])


def unsafe(publisher: Publisher) -> bool:
    """Whether a window exists in memory only."""
    return publisher.status().queue_depth > publisher._route.outbox.stored


if __name__ == "__main__":
    main()
