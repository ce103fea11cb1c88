"""``watch`` shows what the broker tells, finds gaps, and survives whatever bytes arrive."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import random
import signal
import subprocess
import sys
import threading
import tracemalloc
from dataclasses import astuple
from typing import TYPE_CHECKING, Any, Self

import paho.mqtt.publish
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from agent.commands.watch.table import fleet_table, line, sparkline
from agent.commands.watch.terminal import watch
from agent.contract.messages import counts_message
from agent.contract.topics import fleet_filter
from agent.domain import LABELS
from agent.errors import BrokerError
from agent.fleet import reader
from agent.fleet.reader import WatchFilter
from agent.fleet.view import MAX_DEVICES, FleetView, Numbering
from agent.publisher.thread import Publisher
from agent.publisher.wallclock import WallClock
from agent.settings import MqttSettings
from tests.support.hostile_broker import HostileBroker, Mode
from tests.support.message_samples import (
    CROSSINGS,
    FEW_CROSSINGS,
    IDENTITY,
    PEOPLE,
    SESSION,
    SUPPRESSED,
    birth,
    day,
    disclosure,
    health,
    message_of,
    window,
)
from tests.support.ports import free_port
from tests.support.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from agent.domain import Disclosure
    from tests.support.mosquitto_fixtures import Broker

BRANCH = "emotion-agent/v1/museum/door-1"
DAY = day().payload()


def counts(seq: int, told: Disclosure | None = None, session: str = SESSION) -> bytes:
    closed = window(seq)
    stamps = WallClock().stamps(closed.opened_at_s, closed.closed_at_s)
    return counts_message(closed, told or disclosure(), session, stamps).payload()


def fed(*payloads: bytes) -> FleetView:
    view = FleetView()
    for payload in payloads:
        view.feed(f"{BRANCH}/counts/door", payload, now_s=0.0)
    return view


def drawn(view: FleetView, now_s: float = 0.0, width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width, record=True)
    console.print(fleet_table(view, now_s, width))
    return console.export_text()


def test_a_row_shows_state_people_dominant_expression_coverage_latency_and_queue() -> None:
    view = fed(counts(0))
    view.feed(f"{BRANCH}/availability", b"online", 0.0)
    view.feed(f"{BRANCH}/health", health().payload(), 0.0)
    text = drawn(view)
    for expected in ("museum", "door-1", "ok", "7", "happiness", "100%", "0", "█"):
        assert expected in text
    (row,) = view.rows()
    assert line(*row, now_s=0.0).startswith("site museum  device door-1  source door  state ok  people 7")


@pytest.mark.parametrize("width", [60, 80, 110, 200])
def test_narrow_screens_lose_columns_and_never_names(width: int) -> None:
    text = drawn(fed(counts(0)), width=width)
    assert "museum" in text
    assert "door-1" in text
    assert "happiness" in text
    assert "…" not in text


def test_missing_windows_are_gaps_until_they_arrive_and_repeated_ones_are_duplicates() -> None:
    view = fed(counts(3), counts(4), counts(8))
    source = view.devices["museum", "door-1"].sources["door"]
    assert source.missing == 3
    for seq in (5, 6, 7, 7):
        view.feed(f"{BRANCH}/counts/door", counts(seq), 0.0)
    assert (source.missing, source.duplicates) == (0, 1)
    assert source.last is not None
    assert source.last.seq == 8


def test_a_restart_of_the_device_is_no_gap() -> None:
    view = fed(counts(41), counts(0, session="f" * 32), counts(1, session="f" * 32))
    assert view.devices["museum", "door-1"].sources["door"].missing == 0


def test_suppressed_windows_are_shown_as_such_and_not_as_zero() -> None:
    assert "suppressed" in drawn(fed(counts(0, SUPPRESSED)))


def test_people_and_crossings_are_shown_and_numbered_like_expressions() -> None:
    view = FleetView()
    for leaf, source, disclosed in (("people", "hall", PEOPLE), ("crossings", "door", CROSSINGS)):
        for seq in (0, 2, 2):
            view.feed(f"{BRANCH}/{leaf}/{source}", message_of(disclosed, seq).payload(), now_s=0.0)
    device = view.devices["museum", "door-1"]
    assert {name: (each.missing, each.duplicates) for name, each in device.sources.items()} == {
        "hall": (1, 1),
        "door": (1, 1),
    }
    assert list(device.sources["door"].totals) == [7, 7]
    rows = {name: line(device, name, each, 0.0) for name, each in device.sources.items()}
    assert "people 7  dominant -" in rows["hall"]
    assert "people 4 in, 3 out  dominant -" in rows["door"]
    view.feed(f"{BRANCH}/crossings/door", message_of(FEW_CROSSINGS, 3).payload(), now_s=0.0)
    assert "suppressed" in line(device, "door", device.sources["door"], 0.0)


def test_every_kind_of_message_is_told_as_one_json_object() -> None:
    view, place = FleetView(), {"site": "museum", "device": "door-1"}

    def told(leaf: str, payload: bytes) -> dict[str, object]:
        found = view.feed(f"{BRANCH}/{leaf}", payload, 0.0)
        assert found is not None
        return found.as_json()

    later = json.loads(counts(7)) | {"of a later version": [1]}
    assert told("availability", b"offline") == place | {"kind": "availability", "online": False}
    for kind, payload in (("birth", birth().payload()), ("health", health().payload())):
        assert told(kind, payload) == place | {"kind": kind, "message": json.loads(payload)}
    assert told("day/door", DAY) == place | {"kind": "day", "source": "door", "message": json.loads(DAY)}
    assert told("counts/door", counts(5))["missing"] == 0
    for duplicate in (False, True):
        assert told("counts/door", json.dumps(later).encode()) == place | {
            "kind": "counts",
            "source": "door",
            "duplicate": duplicate,
            "missing": 1,
            "message": later,
        }


def test_what_is_told_beside_the_rest_refuses_no_message() -> None:
    early = {key: value for key, value in json.loads(counts(0)).items() if key != "window_start"}
    view = fed(json.dumps(early).encode())
    view.feed(f"{BRANCH}/birth", b'{"models": 3, "backend": [1]}', 0.0)
    view.feed(f"{BRANCH}/health", b'{"state": "ok", "fps": "x", "rss_mb": -1}', 0.0)
    device = view.devices["museum", "door-1"]
    assert (device.malformed, device.sources["door"].missing) == (0, 0)
    assert device.birth is not None
    assert device.birth.models is None
    assert device.health is not None
    assert device.health.fps is None


def test_offline_and_silent_devices_are_told_apart() -> None:
    view = fed(counts(0))
    view.feed(f"{BRANCH}/availability", b"online", 0.0)
    view.feed(f"{BRANCH}/birth", birth().payload(), 0.0)
    device = view.devices["museum", "door-1"]
    assert device.state(now_s=300.0) == "online"
    assert device.state(now_s=1_000.0) == "silent"
    view.feed(f"{BRANCH}/availability", b"offline", 1_000.0)
    assert device.state(now_s=1_000.0) == "offline"


def test_sparklines_scale_to_the_largest_window_and_mark_suppressed_ones() -> None:
    assert sparkline([0, 7, None, 14]) == "▁▅·█"
    assert sparkline([]) == ""
    assert sparkline([0, 0]) == "▁▁"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["session_id", "seq", "people", "counts", "state", "latency_ms", *LABELS]), inner
        )
    ),
    max_leaves=8,
)


@given(
    st.sampled_from(
        ["availability", "birth", "health", "day/door", "counts/door", "counts/\x1b[2J", "counts", "x"]
    ),
    st.one_of(
        st.binary(max_size=200),
        JSON.map(lambda value: json.dumps(value).encode()),
        st.builds(
            lambda change: json.dumps(json.loads(counts(1)) | change).encode(),
            st.dictionaries(
                st.sampled_from(["seq", "people", "counts", "coverage", "window_end", "session_id"]), JSON
            ),
        ),
    ),
)
def test_no_payload_breaks_the_view_or_the_table(leaf: str, payload: bytes) -> None:
    view = fed(counts(0))
    view.feed(f"{BRANCH}/{leaf}", payload, 0.0)
    view.feed(f"{BRANCH}/counts/door", counts(2), 0.0)
    assert "\x1b" not in "".join(line(*row, now_s=0.0) for row in view.rows())
    assert drawn(view)
    assert view.devices["museum", "door-1"].sources["door"].last is not None


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xff", b"{" * 60_000, b'{"seq": ' + b"9" * 5_000 + b"}", b"x" * 100_000, b"[]", b"null"],
    ids=["empty", "no text", "deep", "huge number", "huge", "array", "null"],
)
def test_hostile_payloads_are_counted_and_shown_as_not_understood(payload: bytes) -> None:
    view = fed(payload)
    assert view.devices["museum", "door-1"].malformed + view.refused == 1
    assert "1 not understood" in drawn(view)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", '[1, {"a": -1e999}]'])
def test_what_would_be_no_json_when_it_is_written_again_is_not_understood(number: str) -> None:
    """In a field that nobody reads, which is told all the same."""
    view = FleetView()
    for leaf, payload in (
        ("counts/door", counts(0)),
        ("health", health().payload()),
        ("birth", birth().payload()),
    ):
        strange = payload[:-1] + f', "later": {number}}}'.encode()
        assert view.feed(f"{BRANCH}/{leaf}", strange, 0.0) is None
    device = view.devices["museum", "door-1"]
    assert (device.malformed, device.health, device.birth, device.sources) == (3, None, None, {})


def test_gaps_cost_no_memory_however_wide_they_are() -> None:
    """Each of 120 sessions leaves a million numbers out: 10,000 of each were kept one by one."""
    tracemalloc.start()
    view = FleetView()
    for number in range(120):
        for seq in (0, 1_000_001):
            payload = json.dumps(json.loads(counts(0, session=f"{number:032}")) | {"seq": seq}).encode()
            view.feed(f"{BRANCH}-{number // 30}/counts/hall-{number % 30}", payload, 0.0)
    kept_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(source.missing for _, _, source in view.rows()) == 120 * 1_000_000
    assert kept_bytes < 5_000_000


@given(st.lists(st.integers(0, 40), max_size=40))
def test_gaps_are_counted_as_if_every_number_were_remembered(numbers: list[int]) -> None:
    numbering, arrived = Numbering(5), {5}
    for seq in (number + 5 for number in numbers):
        assert numbering.note(seq) is (seq not in arrived)
        arrived.add(seq)
        assert numbering.missing == len(set(range(5, max(arrived))) - arrived)


def test_what_hostile_devices_invent_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.fleet.view.MAX_VIEWS", 100)
    view, long = FleetView(), "x" * 64
    for branch in (f"emotion-agent/v1/{long}/a", f"emotion-agent/v1/a/{long}"):
        assert view.feed(f"{branch}/availability", b"online", 0.0) is None
    assert view.feed(f"{BRANCH}/counts/{long}", counts(0), 0.0) is None
    assert (view.refused, len(view.devices)) == (3, 0)
    many = json.dumps(json.loads(counts(0)) | {"counts": {str(label): 0 for label in range(100)}}).encode()
    assert view.feed(f"{BRANCH}/counts/door", many, 0.0) is None
    payload = counts(0)
    for number in range(132):
        view.feed(f"{BRANCH}-{number // 32}/counts/{number % 32}", payload, 0.0)
    assert sum(len(device.sources) for device in view.devices.values()) == 100


def test_a_number_far_ahead_does_not_eat_the_memory() -> None:
    far = json.dumps(json.loads(counts(1)) | {"seq": 2**52}).encode()
    view = fed(counts(0), far)
    assert view.devices["museum", "door-1"].sources["door"].missing == 2**52 - 1


def test_invented_devices_are_bounded() -> None:
    view = FleetView()
    for number in range(MAX_DEVICES + 5):
        view.feed(f"emotion-agent/v1/site/d{number}/availability", b"online", 0.0)
    assert len(view.devices) == MAX_DEVICES
    assert view.refused == 5


def publish_fleet(broker: Broker, last_source: str = "last") -> None:
    """One real publisher, one other device by hand, rubbish beside them, and a window that tells the end.

    Each is acknowledged before the next one is published, so that they arrive in this order.
    """
    publisher = Publisher(MqttSettings(host=broker.host, port=broker.port), IDENTITY, birth())
    publisher.start()
    for seq in range(3):
        publisher.publish_counts(window(seq), disclosure())
    publisher.publish_health(health())
    publisher.stop(DEADLINE_S)
    other = "emotion-agent/v1/museum/door-2"
    for topic, payload in (
        (f"{other}/counts/hall", counts(0)),
        (f"{other}/counts/hall", b"\x00\xffrubbish"),
        (f"{other}/nonsense", b"{}"),
        (f"{BRANCH}/counts/{last_source}", counts(0)),
    ):
        paho.mqtt.publish.single(topic, payload, 1, hostname=broker.host, port=broker.port)


class Watching:
    """``watch`` in a thread of its own, from its first subscription to the end of the test."""

    def __init__(
        self, broker: Broker, chosen: WatchFilter | None = None, *, output: Any = None, **options: Any
    ) -> None:
        self.output = output or io.StringIO()
        self._broker = broker
        self._filter = fleet_filter("emotion-agent", *astuple(chosen or WatchFilter()))
        self._stop = threading.Event()
        self._views: list[FleetView] = []
        settings = MqttSettings(host=broker.host, port=broker.port)
        options |= {"stop": self._stop.is_set, "output": self.output}
        self._thread = threading.Thread(
            target=lambda: self._views.append(watch(settings, chosen, **options)), name="watch"
        )

    def __enter__(self) -> Self:
        self._thread.start()
        self.subscribed(1)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()

    def subscribed(self, times: int) -> None:
        """Until it has subscribed so often."""
        self._broker.wait_for_subscription(self._filter, times)

    def shows(self, words: str, screen: io.StringIO | None = None) -> None:
        """Until its output, or the screen it is shown on, has these words."""
        shown = screen or self.output
        wait_until(lambda: words in shown.getvalue(), f"watch to show {words!r}", last_words=shown.getvalue)

    @property
    def view(self) -> FleetView:
        """What it has seen; there once it has ended."""
        (view,) = self._views
        return view


def watched(broker: Broker, chosen: WatchFilter, **options: Any) -> tuple[FleetView, str]:
    """What ``watch`` shows of the fleet above; ends when everything has arrived."""
    with Watching(broker, chosen, **options) as watching:
        publish_fleet(broker)
        watching.shows("last")
    return watching.view, watching.output.getvalue()


def test_json_lines_carry_place_kind_and_message(broker: Broker) -> None:
    _, text = watched(broker, WatchFilter(), as_json=True)
    told = [json.loads(row) for row in text.splitlines()]
    assert {row["kind"] for row in told} == {"availability", "birth", "health", "counts"}
    windows = [row for row in told if row["kind"] == "counts" and row["device"] == "door-1"]
    assert [row["message"]["seq"] for row in windows[:3]] == [0, 1, 2]
    assert windows[0].keys() == {"site", "device", "kind", "source", "duplicate", "missing", "message"}


def test_plain_lines_show_each_window_and_filters_choose_devices(broker: Broker) -> None:
    view, text = watched(broker, WatchFilter(site="museum", device="door-1"))
    assert "device door-1" in text
    assert "door-2" not in text
    assert set(view.devices) == {("museum", "door-1")}


def test_a_broker_that_is_away_at_the_start_is_one_sentence() -> None:
    with pytest.raises(BrokerError, match=r"is not listening: check mqtt\.host"):
        watch(MqttSettings(host="127.0.0.1", port=free_port()), seconds=1.0)


def test_a_broker_restart_is_survived(broker: Broker) -> None:
    with Watching(broker) as watching:
        publish_fleet(broker, "before")
        watching.shows("before")
        broker.restart()
        watching.subscribed(2)
        publish_fleet(broker, "after")
        watching.shows("after")


def test_rubbish_through_a_real_broker_leaves_watch_alive(broker: Broker) -> None:
    chance = random.Random(5)  # noqa: S311 - repeatable rubbish
    leaves = ("availability", "birth", "health", "counts/door", "counts/\u202e", "counts/a/b", "frame", "")
    rubbish: list[Any] = [
        (f"{BRANCH}-{chance.randrange(5)}/{chance.choice(leaves)}", mutated(chance), 1, False)
        for _ in range(400)
    ]
    with Watching(broker, as_json=True) as watching:
        paho.mqtt.publish.multiple(rubbish, hostname=broker.host, port=broker.port)
        publish_fleet(broker, "after")
        watching.shows("after")
    assert sum(device.malformed for device in watching.view.devices.values()) > 100
    assert drawn(watching.view)


def mutated(chance: random.Random) -> bytes:
    """A real payload with bytes changed, or no payload at all."""
    payload = bytearray(chance.choice((counts(1), health().payload(), birth().payload(), b"online", b"")))
    for _ in range(chance.randrange(6)):
        if payload:
            payload[chance.randrange(len(payload))] = chance.randrange(256)
    return bytes(payload)


def test_on_a_terminal_there_is_a_live_table(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "160", "LINES": "40"}.items():
        monkeypatch.setenv(name, value)
    leader, follower = pty.openpty()
    screen = io.StringIO()

    def collect() -> None:
        with contextlib.suppress(OSError):  # how a pseudo-terminal says that its other end is closed
            while data := os.read(leader, 65_536):
                screen.write(data.decode(errors="replace"))

    collector = threading.Thread(target=collect)
    collector.start()
    with os.fdopen(follower, "w") as terminal, Watching(broker, output=terminal) as watching:
        publish_fleet(broker)
        watching.shows("last", screen)
    collector.join()
    os.close(leader)
    assert "people per window" in screen.getvalue()


def watching(port: int, *python: str) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        *(python or ("-m", "agent")),
        "watch",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


@pytest.mark.slow
@pytest.mark.parametrize("packet", ["connack", "suback"])
def test_ctrl_c_ends_it_while_the_broker_owes_an_answer(packet: str) -> None:
    with HostileBroker() as broker:
        broker.mode = Mode(packet, "never")
        with watching(broker.port) as child:
            wait_until(
                lambda: broker.connections if packet == "connack" else broker.subscriptions, "watch to ask"
            )
            child.send_signal(signal.SIGINT)
            try:
                assert child.wait(DEADLINE_S / 2.0) == 0
            finally:
                child.kill()
        # Nobody waits for the handshake that was given up.
        broker.behave()


INTERRUPTED = """
import signal, sys, threading
from agent.cli import main
wait = threading.Event.wait
def interrupted(self, timeout=None):
    if threading.current_thread() is threading.main_thread():
        with self._cond:
            signal.raise_signal(signal.SIGTERM)
    return wait(self, timeout)
threading.Event.wait = interrupted
main()
"""
"""Python runs the handler between any two steps of the main thread, those with a lock in hand included."""


@pytest.mark.slow
def test_a_signal_that_comes_while_the_main_thread_holds_a_lock_ends_it_too() -> None:
    with HostileBroker() as broker, watching(broker.port, "-c", INTERRUPTED) as child:
        wait_until(lambda: broker.subscriptions or child.poll() is not None, "watch to subscribe or end")
        broker.cut()
        try:
            assert child.wait(DEADLINE_S) == 0
        finally:
            child.kill()


def test_a_broker_that_answers_no_subscription_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_ANSWER_S", 0.1)
    with HostileBroker() as broker:
        broker.mode = Mode("suback", "never")
        with pytest.raises(
            BrokerError, match=r"does not answer the subscription to emotion-agent/v1/\+/\+/#"
        ):
            watch(MqttSettings(host="127.0.0.1", port=broker.port))
