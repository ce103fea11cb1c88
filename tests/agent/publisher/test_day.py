"""A day's total reaches the fleet like a window: once, also after an outage, with its own stamps."""

# ruff: noqa: S311 - seeded draws make the outcome of a statistical test final

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from agent.contract import DayMessage, LedgerEntry
from agent.domain import LABELS, EmotionWindow
from agent.fleet import SeenBirth, SeenCounts, SeenDay, reconcile_day
from agent.mqtt.backoff import Backoff
from agent.privacy import DayKeeper
from agent.privacy.policy import PrivacyPolicy
from agent.publisher import Publisher, WallClock
from agent.settings import MqttSettings, PrivacySettings
from tests.support.contract import check_contract
from tests.support.lossy_proxy import LossyProxy
from tests.support.message_samples import IDENTITY, birth
from tests.support.mosquitto_fixtures import Broker, Record, Recorder
from tests.support.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WINDOW_S = 3_600.0
BEGINS = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
TABLE = PrivacySettings(window_s=WINDOW_S, epsilon=1.0, day_total=True)
CROWD = dict.fromkeys(LABELS, 30)


@dataclass
class Board:
    """A synchronised board whose clocks the test moves."""

    monotonic_s: float = 1_000.0

    def clock(self) -> WallClock:
        offset_s = BEGINS.timestamp() - self.monotonic_s
        return WallClock(lambda: self.monotonic_s, lambda: self.monotonic_s + offset_s, lambda: True)


class Agent:
    """What the daemon does with closed windows, on time that the test lets pass."""

    def __init__(self, port: int, state_dir: Path | None = None) -> None:
        self.policy = PrivacyPolicy(TABLE, Random(4))
        ledger = tuple(
            LedgerEntry(release=release, epsilon=float(entry.epsilon), sensitivity=entry.sensitivity)
            for release, entry in self.policy.ledger.items()
        )
        said = birth()
        self.birth = said.model_copy(update={"policy": said.policy.model_copy(update={"ledger": ledger})})
        self.board = Board()
        clock = self.board.clock()
        self.days = DayKeeper(WINDOW_S, lambda: clock.utc_offset_s)
        self.closed = 0
        self.publisher = Publisher(
            MqttSettings(host="127.0.0.1", port=port),
            IDENTITY,
            self.birth,
            clock=clock,
            state_dir=state_dir,
            backoff=Backoff(first_s=0.1, cap_s=0.3),
            replay_per_s=500.0,
        )

    def close_windows(self, number: int) -> None:
        for _ in range(number):
            opened_at_s = self.board.monotonic_s
            self.board.monotonic_s += WINDOW_S
            window = EmotionWindow("door", self.closed, opened_at_s, self.board.monotonic_s, 1.0, CROWD)
            self.closed += 1
            self.publisher.publish_counts(window, self.policy.disclose(window))
            if (total := self.days.add(window)) is not None:
                self.publisher.publish_counts(total, self.policy.disclose_day(total))

    def end_day(self) -> None:
        total = self.days.close()
        assert total is not None
        self.publisher.publish_counts(total, self.policy.disclose_day(total))


def on(records: list[Record], kind: str) -> list[dict[str, Any]]:
    return [record.json for record in records if f"/{kind}/" in record.topic]


def has_days(number: int) -> Callable[[list[Record]], bool]:
    return lambda records: len(on(records, "day")) >= number


def test_days_arrive_on_their_own_topic_from_midnight_to_midnight_and_agree_with_their_windows(
    broker: Broker,
) -> None:
    with Recorder(broker) as recorder:
        agent = Agent(broker.port)
        agent.publisher.start()
        wait_until(lambda: agent.publisher.status().connected, "the publisher to connect")
        agent.close_windows(14 + 24 + 3)
        agent.end_day()
        recorder.wait_for(has_days(3))
        agent.publisher.stop(DEADLINE_S)
        recorder.wait_for(lambda records: records[-1].payload == b"offline")
    assert check_contract(recorder.records) == 1 + 1 + 41 + 3 + 1
    days, windows = on(recorder.records, "day"), on(recorder.records, "counts")
    times = [(day["day_start"], day["day_end"], day["first_seq"], day["windows"]) for day in days]
    assert times == [
        ("2026-11-22T10:00:00.000Z", "2026-11-23T00:00:00.000Z", 0, 14),
        ("2026-11-23T00:00:00.000Z", "2026-11-24T00:00:00.000Z", 14, 24),
        ("2026-11-24T00:00:00.000Z", "2026-11-24T03:00:00.000Z", 38, 3),
    ]
    assert [day["seq"] for day in days] == [0, 1, 2]
    assert all(told["clock_synced"] and not told["historical"] for told in (*days, *windows))
    policy = SeenBirth.model_validate_json(agent.birth.payload()).policy
    seen = [SeenCounts.model_validate(window) for window in windows]
    found = reconcile_day(SeenDay.model_validate(days[1]), seen, policy)["people"]
    assert sum(window.value for window in found.windows) == pytest.approx(found.total.value)
    # 24 windows of 270, told with a standard deviation of 14 for the day.
    assert found.total.value == pytest.approx(24 * 270, abs=60.0)


def test_no_retained_total_is_left_behind(broker: Broker) -> None:
    agent = Agent(broker.port)
    agent.publisher.start()
    agent.close_windows(1)
    agent.end_day()
    wait_until(
        lambda: agent.publisher.status().connected and agent.publisher.status().queue_depth == 0,
        "the publisher to connect and its queue to empty",
    )
    with Recorder(broker) as late:
        late.wait_for(lambda records: len(records) == 2)
        agent.publisher.stop(DEADLINE_S)
    assert {record.topic.rpartition("/")[2] for record in late.records if record.retained} == {
        "availability",
        "birth",
    }


@pytest.mark.broker
def test_a_day_that_ends_while_the_broker_is_away_and_the_agent_is_restarted_arrives_once(
    broker: Broker, tmp_path: Path
) -> None:
    with LossyProxy(broker.port, listening=False) as way, Recorder(broker) as recorder:
        agent = Agent(way.port, tmp_path)
        agent.publisher.start()
        agent.close_windows(15)
        agent.end_day()
        wait_until(lambda: "not listening" in agent.publisher.status().reason, "the broker to be missed")
        agent.publisher.stop(DEADLINE_S)
        assert (tmp_path / "unsent.sqlite3").exists()
        way.listen()
        again = Agent(way.port, tmp_path)
        again.publisher.start()
        recorder.wait_for(has_days(2))
        again.publisher.stop(DEADLINE_S)
    days = [DayMessage.model_validate(day) for day in on(recorder.records, "day")]
    assert [(day.seq, day.first_seq, day.windows, day.historical) for day in days] == [
        (0, 0, 14, True),
        (1, 14, 1, True),
    ]
    assert [window["seq"] for window in on(recorder.records, "counts")] == list(range(15))
    assert not (tmp_path / "unsent.sqlite3").exists()
