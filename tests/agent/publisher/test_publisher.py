"""What a fleet sees of one publisher through a real broker, in good times and bad."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from agent.domain import EmotionWindow
from agent.errors import ConfigError
from agent.mqtt.backoff import Backoff
from agent.publisher.thread import Publisher
from agent.publisher.wallclock import WallClock
from agent.settings import MqttSettings
from tests.support.contract import check_contract
from tests.support.lossy_proxy import LossyProxy
from tests.support.message_samples import IDENTITY, SUPPRESSED, birth, disclosure, health, window
from tests.support.mosquitto_fixtures import Broker, BrokerOptions, Record, Recorder
from tests.support.ports import free_port
from tests.support.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BRANCH = "emotion-agent/v1/museum/door-1"


def quick() -> Backoff:
    return Backoff(first_s=0.1, cap_s=0.3)


def publisher_for(port: int, state_dir: Path | None = None, **settings: Any) -> Publisher:
    return Publisher(
        MqttSettings(host="127.0.0.1", port=port, **settings),
        IDENTITY,
        birth(),
        state_dir=state_dir,
        backoff=quick(),
        replay_per_s=500.0,
    )


def counts(records: list[Record]) -> list[dict[str, Any]]:
    return [record.json for record in records if "/counts/" in record.topic]


def has_counts(number: int) -> Callable[[list[Record]], bool]:
    return lambda records: len(counts(records)) >= number


def offline_is_last(records: list[Record]) -> bool:
    said = [r.payload for r in records if r.topic.endswith("/availability")]
    return bool(said) and said[-1] == b"offline"


@pytest.fixture(params=["3.1.1", "5"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_session_reads_online_birth_counts_health_offline(broker: Broker, protocol: str) -> None:
    """A subscriber sees the contract's topics in the contract's order and shape."""
    with Recorder(broker) as recorder:
        publisher = publisher_for(broker.port, protocol=protocol)
        publisher.start()
        wait_until(lambda: publisher.status().connected, "the publisher to connect")
        publisher.publish_counts(window(0), disclosure())
        publisher.publish_counts(window(1), SUPPRESSED)
        recorder.wait_for(has_counts(2))
        publisher.publish_health(health())
        recorder.wait_for(lambda records: records[-1].topic.endswith("/health"))
        publisher.stop(DEADLINE_S)
        recorder.wait_for(offline_is_last)
    assert [record.topic for record in recorder.records] == [
        f"{BRANCH}/availability",
        f"{BRANCH}/birth",
        f"{BRANCH}/counts/door",
        f"{BRANCH}/counts/door",
        f"{BRANCH}/health",
        f"{BRANCH}/availability",
    ]
    full, suppressed = counts(recorder.records)
    assert (full["seq"], full["people"], full["counts"]["happiness"], full["historical"]) == (0, 7, 7, False)
    assert (suppressed["suppressed"], suppressed["people"], suppressed["counts"]) == (True, None, None)
    assert publisher.status().queue_depth == 0
    assert check_contract(recorder.records) == 6


def test_availability_birth_and_health_are_retained_counts_are_not(broker: Broker) -> None:
    publisher = publisher_for(broker.port)
    publisher.start()
    publisher.publish_health(health())
    publisher.publish_counts(window(0), disclosure())
    wait_until(
        lambda: publisher.status().connected and publisher.status().queue_depth == 0,
        "the publisher to connect and its queue to empty",
    )
    with Recorder(broker) as late:
        late.wait_for(lambda records: len(records) == 3)
        publisher.stop(DEADLINE_S)
    retained = {record.topic.removeprefix(f"{BRANCH}/") for record in late.records if record.retained}
    assert retained == {"availability", "birth", "health"}


@pytest.mark.broker
def test_windows_closed_before_the_broker_exists_arrive_once_in_order_as_historical(
    tmp_path: Path,
) -> None:
    (tmp_path / "broker").mkdir()
    late_broker = Broker(tmp_path / "broker")
    with LossyProxy(late_broker.port, listening=False) as way:
        publisher = publisher_for(way.port)
        publisher.start()
        for seq in range(50):
            publisher.publish_counts(window(seq), disclosure())
        wait_until(
            lambda: "is not listening" in publisher.status().reason,
            "the publisher to say that nobody listens",
        )
        assert publisher.status().queue_depth == 50
        with late_broker, Recorder(late_broker) as recorder:
            way.listen()  # only now, so that the recorder misses nothing
            recorder.wait_for(has_counts(50))
            publisher.stop(DEADLINE_S)
    arrived = counts(recorder.records)
    assert [message["seq"] for message in arrived] == list(range(50))
    assert all(message["historical"] for message in arrived)


def test_a_killed_broker_costs_no_window(broker: Broker) -> None:
    """Windows closed while the broker is down arrive after its return, flagged; birth comes first."""
    with LossyProxy(broker.port) as way:
        publisher = publisher_for(way.port)
        publisher.start()
        publisher.publish_counts(window(0), disclosure())
        wait_until(
            lambda: publisher.status().connected and publisher.status().queue_depth == 0,
            "the publisher to connect and its queue to empty",
        )
        broker.kill()
        wait_until(lambda: not publisher.status().connected, "the publisher to notice the loss")
        for seq in range(1, 6):
            publisher.publish_counts(window(seq), disclosure())
        way.refuse(on=True)  # until the recorder is there to see what arrives
        broker.start()
        with Recorder(broker) as recorder:
            way.refuse(on=False)
            recorder.wait_for(has_counts(5))
            publisher.publish_counts(window(6), disclosure())
            recorder.wait_for(has_counts(6))
            publisher.stop(DEADLINE_S)
    arrived = counts(recorder.records)
    assert [message["seq"] for message in arrived] == [1, 2, 3, 4, 5, 6]
    assert [message["historical"] for message in arrived] == [True] * 5 + [False]
    before = [
        r.topic
        for r in recorder.records[
            : [r.json["seq"] if "/counts/" in r.topic else -1 for r in recorder.records].index(1)
        ]
    ]
    assert f"{BRANCH}/birth" in before


def test_kill_minus_nine_makes_the_broker_say_offline(broker: Broker) -> None:
    script = (
        "import sys\n"
        "from tests.agent.publisher.test_publisher import publisher_for\n"
        "publisher = publisher_for(int(sys.argv[1])); publisher.start()\n"
        "sys.stdin.read()\n"
    )
    with Recorder(broker) as recorder:
        command = [sys.executable, "-c", script, str(broker.port)]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as agent:
            try:
                recorder.wait_for(lambda records: any(r.payload == b"online" for r in records))
            finally:
                agent.kill()
        recorder.wait_for(offline_is_last)


@pytest.mark.broker
@pytest.mark.parametrize("password", ["wrong", None], ids=["wrong", "absent"])
def test_a_refused_password_is_said_in_one_sentence_that_names_the_keys(
    tmp_path: Path, protocol: str, password: str | None
) -> None:
    """And counting goes on: nothing raises, windows wait; with the right password they arrive."""
    (tmp_path / "broker").mkdir()
    secret = tmp_path / "password"
    secret.write_text(f"{password}\n")
    login: dict[str, Any] = {} if password is None else {"username": "door-1", "password_file": secret}
    options = BrokerOptions(users={"door-1": "s3cret", "watcher": "w"})
    with Broker(tmp_path / "broker", options) as guarded:
        publisher = publisher_for(guarded.port, protocol=protocol, **login)
        publisher.start()
        publisher.publish_counts(window(0), disclosure())
        wait_until(
            lambda: "mqtt.password_file" in publisher.status().reason,
            "the publisher to name the password file",
        )
        assert not publisher.status().connected
        assert publisher.status().queue_depth == 1
        assert f"127.0.0.1:{guarded.port}" in publisher.status().reason
        assert "wrong" not in publisher.status().reason
        if password is not None:
            with Recorder(guarded, username="watcher", password="w") as recorder:  # noqa: S106
                secret.write_text("s3cret\n")
                recorder.wait_for(has_counts(1))
        publisher.stop(DEADLINE_S)


def test_the_memory_queue_is_bounded_and_counts_what_it_drops() -> None:
    publisher = publisher_for(free_port(), queue_max_windows=10)
    publisher.start()
    for seq in range(25):
        publisher.publish_counts(window(seq), disclosure())
        wait_until(lambda: publisher.status().queue_depth <= 10, "the queue to shrink to its limit")
    wait_until(lambda: publisher.status().dropped == 15, "15 windows to be dropped")
    assert publisher.status().queue_depth == 10
    publisher.stop(0.5)


def test_a_missing_password_file_is_refused_before_anything_starts(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    with pytest.raises(ConfigError, match=r"mqtt\.password_file .*nowhere"):
        publisher_for(1, username="x", password_file=missing)


def test_a_run_shorter_than_the_connecting_still_delivers(broker: Broker) -> None:
    with Recorder(broker) as recorder:
        publisher = publisher_for(broker.port)
        publisher.start()
        publisher.publish_counts(window(0), disclosure())
        publisher.stop(DEADLINE_S)
        recorder.wait_for(offline_is_last)
    assert [message["seq"] for message in counts(recorder.records)] == [0]


def test_stop_returns_in_time_while_the_broker_is_away() -> None:
    publisher = publisher_for(free_port())
    publisher.start()
    publisher.publish_counts(window(0), disclosure())
    stopper = threading.Thread(target=publisher.stop, args=(1.0,))
    stopper.start()
    stopper.join(DEADLINE_S)
    assert not stopper.is_alive()


def test_restarts_of_the_broker_lose_no_window_and_invent_none(broker: Broker) -> None:
    """Every (session, seq) arrives; whatever arrives twice is the same window, flagged by its key."""
    publisher = publisher_for(broker.port)
    publisher.start()
    recorder = Recorder(broker)
    with recorder:
        for seq in range(5):
            publisher.publish_counts(window(seq), disclosure())
            recorder.expect_reconnect()
            broker.restart()
            recorder.wait_subscribed()
        publisher.publish_counts(window(5), disclosure())
        wait_until(lambda: publisher.status().queue_depth == 0, "the queue to empty")
        publisher.stop(DEADLINE_S)
        recorder.wait_for(lambda records: any(message["seq"] == 5 for message in counts(records)))
    # The recorder itself was away during restarts, so what matters is that all were acknowledged, and
    # that what it saw is unique up to the flag.
    seen = Counter((m["session_id"], m["seq"], m["historical"]) for m in counts(recorder.records))
    assert all(number == 1 for (_, _, historical), number in seen.items() if not historical)
    assert {seq for _, seq, _ in seen} <= set(range(6))
    assert publisher.status().dropped == 0


@pytest.mark.broker
def test_a_broker_that_takes_few_messages_at_once_gets_no_more(tmp_path: Path) -> None:
    """MQTT 5 brokers say how many unacknowledged messages they take; more would end the connection."""
    (tmp_path / "broker").mkdir()
    with Broker(tmp_path / "broker", BrokerOptions(extra="max_inflight_messages 2")) as strict:
        with Recorder(strict) as recorder:
            publisher = publisher_for(strict.port)
            publisher.start()
            for seq in range(60):
                publisher.publish_counts(window(seq), disclosure())
            recorder.wait_for(has_counts(60))
            publisher.stop(DEADLINE_S)
        assert "exceeded" not in strict.log.lower()
    assert [message["seq"] for message in counts(recorder.records)] == list(range(60))


def test_two_devices_with_one_name_are_told_so(broker: Broker) -> None:
    first, second = publisher_for(broker.port), publisher_for(broker.port)
    first.start()
    wait_until(lambda: first.status().connected, "the first publisher to connect")
    second.start()
    wait_until(
        lambda: "mqtt.client_id" in first.status().reason + second.status().reason,
        "one of two to be told of the client id they share",
    )
    second.stop(DEADLINE_S)
    first.stop(DEADLINE_S)


@pytest.mark.broker
def test_windows_of_a_wrong_clock_are_stamped_anew_once_it_is_right(tmp_path: Path) -> None:
    (tmp_path / "broker").mkdir()
    late_broker = Broker(tmp_path / "broker")
    wrong_by_s = 365 * 86_400.0
    right = threading.Event()
    offset_s = time.time() - time.monotonic()  # once: between two readings a busy machine may pause
    clock = WallClock(
        monotonic=lambda: 0.0,
        wall=lambda: offset_s - (0.0 if right.is_set() else wrong_by_s),
        synchronised=right.is_set,
    )
    first_window = window(0)
    closed_at_s = first_window.closed_at_s
    with LossyProxy(late_broker.port, listening=False) as way:
        settings = MqttSettings(host=late_broker.host, port=way.port)
        publisher = Publisher(settings, IDENTITY, birth(), clock=clock, backoff=quick(), replay_per_s=500.0)
        publisher.start()
        publisher.publish_counts(first_window, disclosure())
        publisher.publish_counts(EmotionWindow("door", 1, closed_at_s, closed_at_s + 60.0, 1.0), disclosure())
        wait_until(
            lambda: "is not listening" in publisher.status().reason,
            "the publisher to say that nobody listens",
        )
        right.set()
        with late_broker, Recorder(late_broker) as recorder:
            way.listen()
            recorder.wait_for(has_counts(2))
            publisher.stop(DEADLINE_S)
    first, second = counts(recorder.records)
    assert first["clock_synced"]
    assert first["window_end"] == second["window_start"]
    assert abs(datetime.fromisoformat(first["window_start"]).timestamp() - time.time()) < 3_600.0


@pytest.mark.slow
def test_importing_the_publisher_loads_neither_numpy_nor_opencv() -> None:
    script = (
        "import sys, agent.publisher.thread; "
        "print([name for name in ('numpy', 'cv2', 'agent.frame') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
