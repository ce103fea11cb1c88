"""``simulate`` delivers every window of its virtual fleet, leaves nothing behind, and floods nobody."""

from __future__ import annotations

import random

import paho.mqtt.publish
import pytest

from agent.commands.simulate import load
from agent.commands.simulate.device import VirtualDevice
from agent.commands.simulate.load import SimulationPlan, simulate
from agent.commands.simulate.report import processor_seconds
from agent.contract.messages import counts_message, new_session_id
from agent.errors import BrokerError, ConfigError
from agent.publisher.wallclock import WallClock
from agent.settings import MqttSettings
from tests.support.mosquitto_fixtures import Broker, Recorder
from tests.support.ports import free_port
from tests.support.waiting import DEADLINE_S


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slowly the broker acknowledges on a busy machine, the windows are waited for."""
    monkeypatch.setattr(load, "_SETTLE_S", 2.0 * DEADLINE_S)


def settings_for(broker: Broker) -> MqttSettings:
    return MqttSettings(host=broker.host, port=broker.port)


def test_every_window_of_forty_devices_arrives_once(broker: Broker) -> None:
    plan = SimulationPlan(devices=40, windows=5, window_s=0.2, connections=3)
    report = simulate(settings_for(broker), plan, broker_pid=broker.pid)
    assert report.complete
    assert (report.windows_closed, report.windows_arrived, report.duplicates) == (200, 200, 0)
    assert report.broker_cpu is not None
    mqtt, wire = report.device_day_bytes
    assert 100_000 < mqtt < wire < 20_000_000
    assert len(report.lines()) == 7


def test_nothing_retained_is_left_behind(broker: Broker) -> None:
    simulate(settings_for(broker), SimulationPlan(devices=3, windows=1, window_s=0.1, connections=2))
    with Recorder(broker) as recorder:
        paho.mqtt.publish.single("marker", b"", 1, hostname=broker.host, port=broker.port)
        recorder.wait_for(lambda records: records and records[-1].topic == "marker")
    assert [record.topic for record in recorder.records] == ["marker"]


def test_the_same_seed_gives_the_same_windows() -> None:
    def told(seed: int) -> list[bytes]:
        device = VirtualDevice("device-1", random.Random(seed))  # noqa: S311 - a load
        return [repr(device.window(seq, 10.0, 1.0)).encode() for seq in range(20)]

    assert told(1) == told(1)
    assert told(1) != told(2)


def test_virtual_windows_keep_the_contract() -> None:
    device = VirtualDevice("device-1", random.Random(1))  # noqa: S311 - a load
    for seq in range(50):
        window, disclosure = device.window(seq, 100.0, 1.0)
        stamps = WallClock().stamps(window.opened_at_s, window.closed_at_s)
        message = counts_message(window, disclosure, new_session_id(), stamps)
        if not message.suppressed:
            assert message.people is not None
            assert message.people >= 5


def test_a_broker_elsewhere_is_not_flooded_by_accident() -> None:
    with pytest.raises(ConfigError, match="--allow-remote"):
        simulate(MqttSettings(host="broker.example"), SimulationPlan(devices=1))


@pytest.mark.parametrize(
    "plan", [SimulationPlan(devices=0), SimulationPlan(devices=10**6), SimulationPlan(window_s=0.0)]
)
def test_plans_out_of_bounds_are_refused(plan: SimulationPlan) -> None:
    with pytest.raises(ConfigError, match=r"out of bounds|between 0\.05"):
        simulate(MqttSettings(), plan)


def test_an_absent_broker_is_one_sentence() -> None:
    with pytest.raises(BrokerError, match="is not listening"):
        simulate(MqttSettings(host="127.0.0.1", port=free_port()), SimulationPlan(devices=1))


def test_processor_time_of_a_process_that_is_gone_is_unknown() -> None:
    assert processor_seconds(2**30) is None
