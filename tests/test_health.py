"""Promises of the health report: states that mean something, and never a number that grows with people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.domain import CameraStatus, Reading
from agent.health import HealthRecorder
from agent.host.thermal import DeviceReadings
from agent.pipeline import Step
from agent.publisher import BrokerStatus

if TYPE_CHECKING:
    from agent.messages import HealthMessage

DELIVERING = CameraStatus("delivering", 0, 0)
REOPENING = CameraStatus("reopening", 2, 1, "no frame")
STARTING = CameraStatus("starting", 0, 0)
ENDED = CameraStatus("ended", 0, 0)


def report(
    recorder: HealthRecorder, cameras: dict[str, CameraStatus], now_s: float = 110.0, dropped: int = 0
) -> HealthMessage:
    return recorder.message(
        now_s,
        cameras=cameras,
        broker=BrokerStatus(connected=True, reason="", queue_depth=3, dropped=1),
        tier_names=("large", "small"),
        frames_dropped=dropped,
        clock_synced=True,
        device=DeviceReadings(rss_mb=80.0, cpu_temp_c=51.5, throttled=False),
    )


def recorder(latencies_ms: list[float], tier: int = 0, budget_ms: float = 100.0) -> HealthRecorder:
    fresh = HealthRecorder(budget_ms, started_s=100.0, lowest_tier=1)
    for latency_ms in latencies_ms:
        fresh.record(Step((), latency_ms, tier=tier))
    return fresh


@pytest.mark.parametrize(
    ("cameras", "latencies_ms", "tier", "state"),
    [
        ({"a": DELIVERING}, [20.0] * 10, 0, "ok"),
        ({"a": STARTING}, [], 0, "starting"),
        ({"a": REOPENING}, [20.0] * 10, 0, "no_camera"),
        ({"a": REOPENING}, [], 0, "no_camera"),
        ({"a": DELIVERING, "b": REOPENING}, [20.0] * 10, 0, "degraded"),
        ({"a": ENDED}, [20.0] * 10, 0, "ended"),
        ({"a": DELIVERING}, [150.0] * 10, 1, "over_budget"),
        ({"a": DELIVERING}, [150.0] * 10, 0, "ok"),
    ],
)
def test_the_state_says_what_is_wrong(
    cameras: dict[str, CameraStatus], latencies_ms: list[float], tier: int, state: str
) -> None:
    """Missing the budget is a fault only at the lowest tier; above it the scheduler still has a lever."""
    assert report(recorder(latencies_ms, tier), cameras).state == state


def test_quantiles_and_rates_cover_what_was_recorded() -> None:
    message = report(recorder([float(value) for value in range(1, 101)]), {"a": DELIVERING})
    assert message.latency_ms.p50 == pytest.approx(50.5)
    assert message.latency_ms.p99 == pytest.approx(99.0, abs=0.2)
    assert message.fps == pytest.approx(10.0)
    assert message.uptime_s == 10.0
    assert message.tier == "large"


def test_the_rate_is_of_the_time_since_the_last_report() -> None:
    steady = recorder([5.0] * 50)
    report(steady, {"a": DELIVERING}, now_s=110.0)
    assert report(steady, {"a": DELIVERING}, now_s=120.0).fps == 0.0


def test_dropped_frames_are_those_replaced_and_those_too_old() -> None:
    busy = recorder([])
    busy.record(Step((), 500.0, dropped=True))
    assert report(busy, {"a": DELIVERING}, dropped=4).frames_dropped == 5


def test_the_worst_camera_speaks_for_all() -> None:
    message = report(recorder([5.0]), {"a": DELIVERING, "b": REOPENING, "c": ENDED})
    assert message.camera.state == "reopening"
    assert (message.camera.reconnects, message.camera.stalls_1h) == (2, 1)
    assert set(message.cameras) == {"a", "b", "c"}


def test_people_in_view_change_nothing_in_the_report() -> None:
    """Health is not suppressed, so it must not let a head count through."""
    empty, crowded = recorder([]), recorder([])
    readings = tuple(Reading(number, "happiness", 0.9) for number in range(50))
    for _ in range(10):
        empty.record(Step((), 20.0, detected=True))
        crowded.record(Step(readings, 20.0, detected=True, classified=7))
    assert report(empty, {"a": DELIVERING}) == report(crowded, {"a": DELIVERING})
