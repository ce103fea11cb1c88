"""Promises of the budget scheduler, simulated: no clock but the one the test turns."""

from __future__ import annotations

from dataclasses import dataclass, field

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
            cost_ms = self.detection_ms[plan.tier] * self.slowdown
            age_ms += cost_ms
            self.scheduler.detection_took(cost_ms, self.now_s)
        for _ in range(self.scheduler.allowance(age_ms, waiting, detected=plan.detect)):
            self.classified += 1
            age_ms += self.classification_ms * self.slowdown
            self.scheduler.classification_took(self.classification_ms * self.slowdown)
        self.latencies_ms.append(age_ms)


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
    changes = sum(a != b for a, b in zip(device.tiers, device.tiers[1:], strict=False))
    assert changes == 1


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
    changes = sum(a != b for a, b in zip(device.tiers, device.tiers[1:], strict=False))
    assert changes <= 2


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
