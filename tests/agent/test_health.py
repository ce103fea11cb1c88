"""Promises of the health report: states that mean something, and never a number that grows with people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import BrokerStatus, CameraStatus, Reading
from agent.health import HealthRecorder
from agent.host.thermal import DeviceReadings
from agent.pipeline import Step

if TYPE_CHECKING:
    from agent.contract.messages import HealthMessage

DELIVERING = CameraStatus("delivering", 0, 0)
REOPENING = CameraStatus("reopening", 2, 1, "no frame")
STARTING = CameraStatus("starting", 0, 0)
ENDED = CameraStatus("ended", 0, 0)


def report(recorder: HealthRecorder, cameras: dict[str, CameraStatus], now_s: float = 110.0) -> HealthMessage:
    return recorder.message(
        now_s,
        cameras=cameras,
        broker=BrokerStatus(connected=True, reason="", queue_depth=3, dropped=2, damaged=1),
        tier_names=("large", "small"),
        clock_synced=True,
        device=DeviceReadings(rss_mb=80.0, cpu_temp_c=51.5, throttled=False),
    )


def recorder(latencies_ms: list[float], tier: int = 0, budget_ms: float = 100.0) -> HealthRecorder:
    """One that has seen these frames of source "a" in a window that is still open."""
    fresh = HealthRecorder(budget_ms, started_s=100.0, lowest_tier=1)
    for latency_ms in latencies_ms:
        fresh.record("a", Step((), latency_ms, tier=tier))
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


def test_quantiles_and_rates_are_those_of_the_last_published_window() -> None:
    busy = recorder([float(value) for value in range(1, 101)])
    busy.window_closed("a", 20.0, 0, DELIVERING, may_tell=True)
    message = report(busy, {"a": DELIVERING})
    assert message.latency_ms.p50 == pytest.approx(50.5)
    assert message.latency_ms.p99 == pytest.approx(99.0, abs=0.2)
    assert message.fps == pytest.approx(5.0)
    assert message.uptime_s == 10.0
    assert message.tier == "large"
    busy.window_closed("a", 20.0, 0, DELIVERING, may_tell=True)
    assert report(busy, {"a": DELIVERING}).fps == 0.0


def test_a_light_switched_is_told_when_the_window_closes_and_not_before() -> None:
    """Live, it would say to the second how long somebody was in a room whose counts are withheld."""
    dark = CameraStatus("delivering", 0, 0, "sources.a: the picture is black; switch the light on", "black")
    recorded = recorder([20.0])
    assert report(recorded, {"a": dark}).camera == report(recorded, {"a": DELIVERING}).camera
    recorded.window_closed("a", 10.0, 0, dark, may_tell=True)
    told = report(recorded, {"a": DELIVERING}).cameras["a"]
    assert (told.picture, told.reason) == ("black", dark.reason)
    recorded.window_closed("a", 10.0, 0, DELIVERING, may_tell=True)
    assert report(recorded, {"a": dark}).cameras["a"].picture == "good"


def test_a_camera_that_fails_is_told_at_once_whatever_it_showed() -> None:
    recorded = recorder([20.0])
    recorded.window_closed("a", 10.0, 0, DELIVERING, may_tell=True)
    told = report(recorded, {"a": REOPENING}).cameras["a"]
    assert (told.state, told.reason) == ("reopening", "no frame")


def test_several_sources_add_up() -> None:
    both = recorder([5.0] * 50)
    for _ in range(30):
        both.record("b", Step((), 7.0))
    for source in ("a", "b"):
        both.window_closed(source, 10.0, 2, DELIVERING, may_tell=True)
    message = report(both, {"a": DELIVERING, "b": DELIVERING})
    assert (message.fps, message.latency_ms.p50, message.frames_dropped) == (8.0, 5.0, 4)


def test_dropped_frames_are_those_replaced_and_those_too_old() -> None:
    busy = recorder([])
    busy.record("a", Step((), 500.0, dropped=True))
    busy.window_closed("a", 10.0, 4, DELIVERING, may_tell=True)
    assert report(busy, {"a": DELIVERING}).frames_dropped == 5
    busy.window_closed("a", 10.0, 6, DELIVERING, may_tell=False)
    busy.window_closed("a", 10.0, 7, DELIVERING, may_tell=True)
    assert report(busy, {"a": DELIVERING}).frames_dropped == 6


def test_the_queue_tells_what_waits_what_is_given_up_and_what_of_it_was_damaged() -> None:
    assert report(recorder([]), {"a": DELIVERING}).queue.model_dump() == {
        "depth": 3,
        "dropped": 2,
        "damaged": 1,
    }


def test_an_open_or_suppressed_window_tells_no_load() -> None:
    """How fast and how often frames are looked at shows that somebody is there."""
    quiet = recorder([5.0] * 50)
    for published in (None, True, False):
        if published is not None:
            quiet.window_closed("a", 10.0, 3, DELIVERING, may_tell=published)
        message = report(quiet, {"a": DELIVERING})
        told = (message.fps, message.latency_ms.p50, message.tier)
        assert told == ((5.0, 5.0, "large") if published else (None, None, ""))


STEPS = st.lists(
    st.builds(
        Step,
        readings=st.just(()),
        latency_ms=st.floats(1.0, 99.0),
        dropped=st.booleans(),
        detected=st.booleans(),
        classified=st.integers(0, 4),
    ),
    max_size=20,
)


@given(st.lists(st.tuples(st.booleans(), STEPS, STEPS), min_size=1, max_size=6))
def test_histories_that_differ_in_suppressed_windows_alone_give_the_same_reports(
    windows: list[tuple[bool, list[Step], list[Step]]],
) -> None:
    """The rule for counts holds for health: nothing about a suppressed window can be read off."""
    told: list[list[HealthMessage]] = [[], []]
    for reports, is_first in zip(told, (True, False), strict=True):
        fresh, replaced = recorder([]), 0
        for published, own, other in windows:
            steps = own if published or is_first else other
            for step in steps:
                fresh.record("a", step)
                reports.append(report(fresh, {"a": DELIVERING}))
            replaced += 2 if published else len(steps)
            fresh.window_closed("a", 60.0, replaced, DELIVERING, may_tell=published)
            reports.append(report(fresh, {"a": DELIVERING}))
    first, second = ({message.payload() for message in reports} for reports in told)
    assert first == second


def test_faces_never_make_a_box_seem_too_slow_while_their_window_is_open() -> None:
    """Only what an empty scene costs is judged at once."""
    slow = recorder([])
    for _ in range(50):
        slow.record("a", Step((), 150.0, detected=True, classified=3, tier=1))
    assert report(slow, {"a": DELIVERING}).state == "ok"
    slow.window_closed("a", 10.0, 0, DELIVERING, may_tell=True)
    assert report(slow, {"a": DELIVERING}).state == "over_budget"


def test_the_temperature_is_told_in_coarse_steps() -> None:
    assert report(recorder([]), {"a": DELIVERING}).cpu_temp_c == 50.0


def test_the_worst_camera_speaks_for_all() -> None:
    message = report(recorder([5.0]), {"a": DELIVERING, "b": REOPENING, "c": ENDED})
    assert message.camera.state == "reopening"
    assert (message.camera.reconnects, message.camera.stalls_1h) == (2, 1)
    assert set(message.cameras) == {"a", "b", "c"}


def test_people_in_view_change_nothing_in_the_report() -> None:
    """Nor does a published window's load tell their number by itself."""
    empty, crowded = recorder([]), recorder([])
    readings = tuple(Reading(number, "happiness", 0.9) for number in range(50))
    for _ in range(10):
        empty.record("a", Step((), 20.0, detected=True))
        crowded.record("a", Step(readings, 20.0, detected=True, classified=7))
    for recorded in (empty, crowded):
        recorded.window_closed("a", 10.0, 0, DELIVERING, may_tell=True)
    assert report(empty, {"a": DELIVERING}) == report(crowded, {"a": DELIVERING})
