"""Promises of the budget scheduler, simulated: no clock but the one the test turns."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from statistics import quantiles

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.scheduler import MAX_CONSECUTIVE_DROPS, CostEstimate, Plan, Scheduler


@dataclass
class Device:
    """A simulated box: what detection and classification cost in milliseconds, tier by tier."""

    budget_ms: float
    detection_ms: tuple[float, ...]
    classification_ms: float
    now_s: float = 0.0
    slowdown: float = 1.0
    latencies_ms: list[float] = field(default_factory=list)
    tiers: list[int] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    classified: int = 0
    crowd_ms: float = 0.0
    """What decoding and following many faces adds to a detection."""
    noise: np.random.Generator | None = None
    """A neighbour that now and then takes the core away for up to three times a stage's own time."""

    def __post_init__(self) -> None:
        self.scheduler = Scheduler(self.budget_ms, self.detection_ms)

    def frames(self, count: int, waiting: int, interval_s: float = 1 / 15) -> None:
        """Run frames that each find ``waiting`` tracks in need of a vote."""
        for _ in range(count):
            self._frame(waiting)
            self.now_s += interval_s

    def _frame(self, waiting: int) -> None:
        age_ms = 1.0
        plan = self.scheduler.plan(self.now_s, age_ms)
        self.plans.append(plan)
        self.tiers.append(plan.tier)
        if plan.drop:
            return
        if plan.detect:
            cost_ms = self._cost_ms(self.detection_ms[plan.tier] + self.crowd_ms)
            age_ms += cost_ms
            self.scheduler.detection_took(cost_ms, self.now_s)
        for done in range(self.scheduler.allowance(age_ms, waiting, detected=plan.detect)):
            if done and not self.scheduler.has_time(age_ms):
                break
            self.classified += 1
            cost_ms = self._cost_ms(self.classification_ms)
            age_ms += cost_ms
            self.scheduler.classification_took(cost_ms)
        self.latencies_ms.append(age_ms)

    def _cost_ms(self, alone_ms: float) -> float:
        stolen = 1.0
        if self.noise is not None and self.noise.random() < 0.2:
            stolen = self.noise.uniform(1.0, 3.0)
        return alone_ms * self.slowdown * stolen

    @property
    def tier_changes(self) -> int:
        return sum(a != b for a, b in pairwise(self.tiers))

    def p99_ms(self) -> float:
        return quantiles(self.latencies_ms, n=100, method="inclusive")[98]


def test_a_crowd_costs_no_more_than_the_budget() -> None:
    device = Device(budget_ms=100.0, detection_ms=(40.0,), classification_ms=5.0)
    device.frames(10, waiting=1)
    device.frames(300, waiting=50)
    assert max(device.latencies_ms) <= 100.0


def test_votes_still_arrive_when_detection_fills_the_budget() -> None:
    """Detection every other frame, classification between."""
    device = Device(budget_ms=50.0, detection_ms=(42.0,), classification_ms=8.0)
    device.frames(100, waiting=3)
    assert device.classified >= 30
    assert sum(plan.detect for plan in device.plans) >= 20


def test_a_box_too_slow_for_the_largest_input_moves_to_a_smaller_one_and_stays() -> None:
    device = Device(budget_ms=50.0, detection_ms=(90.0, 30.0), classification_ms=2.0)
    device.frames(300, waiting=1)
    assert device.tiers[-1] == 1
    assert device.tier_changes == 1


def test_after_a_passing_slowdown_the_larger_input_comes_back() -> None:
    device = Device(budget_ms=50.0, detection_ms=(20.0, 8.0), classification_ms=1.0)
    device.frames(50, waiting=1)
    device.slowdown = 3.0
    device.frames(15 * 60, waiting=1)
    assert device.tiers[-1] == 1
    device.slowdown = 1.0
    device.frames(15 * 60, waiting=1)
    assert device.tiers[-1] == 0


def test_the_tier_does_not_oscillate_when_neither_fits_well() -> None:
    """Steps up that fail soon are tried ever more rarely."""
    device = Device(budget_ms=50.0, detection_ms=(45.0, 20.0), classification_ms=1.0)
    device.frames(15 * 300, waiting=1)
    assert device.tier_changes <= 2


def test_a_stale_frame_is_dropped_but_not_for_ever() -> None:
    scheduler = Scheduler(budget_ms=100.0)
    drops = [scheduler.plan(float(step), age_ms=500.0).drop for step in range(10)]
    assert drops[0]
    assert not all(drops)
    assert all(sum(drops[i : i + MAX_CONSECUTIVE_DROPS + 1]) <= MAX_CONSECUTIVE_DROPS for i in range(8))


def test_the_first_frame_is_always_detected() -> None:
    assert Scheduler(budget_ms=100.0).plan(0.0, 0.0) == Plan(drop=False, detect=True, tier=0)


@given(
    costs_ms=st.lists(st.floats(0.0, 1e4), min_size=1, max_size=50),
    waiting=st.lists(st.integers(0, 100), min_size=1, max_size=50),
    ages_ms=st.lists(st.floats(0.0, 1e4), min_size=1, max_size=50),
)
@settings(max_examples=100)
def test_no_history_of_costs_breaks_a_plan(
    costs_ms: list[float], waiting: list[int], ages_ms: list[float]
) -> None:
    """Never more classifications than waiting tracks, never a tier that does not exist."""
    scheduler = Scheduler(budget_ms=100.0, relative_costs=(4.0, 2.0, 1.0))
    for step, (cost_ms, count, age_ms) in enumerate(zip(costs_ms, waiting, ages_ms, strict=False)):
        plan = scheduler.plan(float(step), age_ms)
        assert plan.tier in {0, 1, 2}
        if plan.drop:
            continue
        if plan.detect:
            scheduler.detection_took(cost_ms, float(step))
        allowed = scheduler.allowance(age_ms + cost_ms, count, detected=plan.detect)
        assert 0 <= allowed <= count
        scheduler.classification_took(cost_ms / 10)


def test_a_steady_cost_is_learnt_with_a_shrinking_margin() -> None:
    estimate = CostEstimate()
    for _ in range(50):
        estimate.observe(10.0)
    assert estimate.mean_ms == pytest.approx(10.0)
    assert estimate.upper_ms == pytest.approx(10.0, rel=0.01)


def test_fifty_faces_take_about_as_long_as_five() -> None:
    """Votes are spread over frames; every face still gets its turn."""
    few = Device(budget_ms=30.0, detection_ms=(2.5,), classification_ms=0.5)
    few.frames(15 * 60, waiting=5)
    many = Device(budget_ms=30.0, detection_ms=(2.5,), classification_ms=0.5)
    many.frames(15, waiting=1)
    many.crowd_ms = 1.5
    many.frames(15 * 60, waiting=50)
    assert many.p99_ms() <= 1.2 * few.p99_ms()
    assert many.classified >= 15 * 60 * 2
    assert all(plan.detect for plan in many.plans)


def test_a_neighbour_that_steals_the_core_breaks_neither_budget_nor_calm() -> None:
    device = Device(budget_ms=30.0, detection_ms=(6.0, 3.0), classification_ms=1.0)
    device.noise = np.random.default_rng(7)
    for _ in range(60):
        device.frames(45, waiting=5)
        device.frames(30, waiting=50)
    assert device.p99_ms() <= 30.0
    assert device.tier_changes == 0


def test_a_minute_of_throttling_moves_down_once_and_back_once() -> None:
    """Cost times three for a minute, on a box whose largest input then doesn't fit."""
    device = Device(budget_ms=50.0, detection_ms=(20.0, 8.0), classification_ms=1.0)
    device.frames(15 * 60, waiting=3)
    assert device.tiers[-1] == 0
    device.slowdown = 3.0
    device.frames(15 * 60, waiting=3)
    assert device.tiers[-1] == 1
    device.slowdown = 1.0
    device.frames(15 * 600, waiting=3)
    assert device.tiers[-1] == 0
    assert device.tier_changes == 2
    assert device.p99_ms() <= 50.0


def test_a_neighbour_that_makes_the_largest_input_miss_the_budget_moves_it_down_for_good() -> None:
    """On average it would fit; one frame in ten would not, and a budget is no average."""
    device = Device(budget_ms=50.0, detection_ms=(20.0, 8.0), classification_ms=1.0)
    device.noise = np.random.default_rng(3)
    device.frames(15 * 600, waiting=3)
    assert device.tiers[-1] == 1
    assert device.tier_changes == 1
    assert device.p99_ms() <= 50.0


def test_throttling_that_still_fits_changes_no_tier() -> None:
    device = Device(budget_ms=100.0, detection_ms=(20.0, 8.0), classification_ms=1.0)
    for slowdown in (1.0, 3.0, 1.0, 3.0, 1.0):
        device.slowdown = slowdown
        device.frames(15 * 60, waiting=10)
    assert device.tier_changes == 0
    assert device.p99_ms() <= 100.0


def test_bursts_of_fifty_faces_leave_no_mark_on_the_frames_between() -> None:
    device = Device(budget_ms=40.0, detection_ms=(10.0,), classification_ms=2.0)
    device.frames(50, waiting=0)
    quiet_ms = device.latencies_ms[-1]
    for _ in range(20):
        device.frames(5, waiting=50)
        device.latencies_ms.clear()
        device.frames(40, waiting=0)
        assert max(device.latencies_ms) == pytest.approx(quiet_ms)
    assert all(plan.detect for plan in device.plans[-39:])


def test_a_box_too_slow_for_anything_keeps_counting() -> None:
    """No tier fits: detections go on and votes arrive, however late."""
    device = Device(budget_ms=20.0, detection_ms=(90.0, 60.0), classification_ms=15.0)
    device.frames(300, waiting=5, interval_s=0.2)
    assert device.tiers[-1] == 1
    assert device.classified >= 50
    assert sum(plan.detect for plan in device.plans) >= 50


def test_classification_stops_when_the_time_is_used_up_after_all() -> None:
    scheduler = Scheduler(budget_ms=100.0)
    scheduler.classification_took(10.0)
    assert scheduler.has_time(70.0)
    assert not scheduler.has_time(80.0)


def test_the_agent_begins_at_the_tier_it_is_told() -> None:
    assert Scheduler(100.0, (4.0, 2.0, 1.0), start_tier=2).plan(0.0, 0.0).tier == 2


@given(
    detection_ms=st.floats(1.0, 60.0),
    ratio=st.floats(0.3, 0.9),
    classification_ms=st.floats(0.1, 10.0),
    seed=st.integers(0, 1_000),
)
@settings(max_examples=12)
def test_no_device_oscillates_for_five_minutes(
    detection_ms: float, ratio: float, classification_ms: float, seed: int
) -> None:
    """Whatever the box, a steady load makes it settle: failing attempts get ever rarer."""
    device = Device(
        budget_ms=40.0,
        detection_ms=(detection_ms, detection_ms * ratio),
        classification_ms=classification_ms,
        noise=np.random.default_rng(seed),
    )
    device.frames(15 * 300, waiting=10)
    assert device.tier_changes <= 2
    assert sum(a != b for a, b in pairwise(device.tiers[-15 * 60 :])) <= 1
