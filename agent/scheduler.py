"""Decides, frame by frame, what the latency budget allows; pure arithmetic on times it is told.

Levers, in order: drop a frame that is already too old; classify only as many tracks as the time left allows;
detect every n-th frame and let the tracker coast; step to a smaller input size, and back with hysteresis.

Votes are spread besides: however much time is left, a frame is not filled beyond twice what detection
takes in an empty scene, so that one with fifty faces takes about as long as one with five.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

TARGET_SHARE: Final = 0.85
"""Work is planned up to this share of the budget; the rest absorbs what no plan foresees."""
STEP_DOWN_AT: Final = 3.0
"""Detections that don't fit before a smaller input size is taken; older ones weigh ever less."""
OVERRUN_MEMORY: Final = 0.98
"""Weight an overrun keeps from one detection to the next: one in sixteen is too many in the long run."""
STEP_UP_SHARE: Final = 0.8
"""A detection whose cost, carried over to the larger input size, stays below this share would have fitted."""
STEP_UP_BELOW: Final = 0.01
"""Share of detections that may not have fitted for the larger input size to be tried again."""
SHARE_WEIGHT: Final = 0.01
"""Of one detection in that share; half a minute of calm at 15 a second makes up for a step down."""
FIRST_HOLD_S: Final = 10.0
LONGEST_HOLD_S: Final = 600.0
MAX_DETECTION_INTERVAL: Final = 4
MAX_CONSECUTIVE_DROPS: Final = 2
FEWEST_VOTES: Final = 2
"""Per frame, where the budget allows: fifty faces at 15 frames a second then have one in 1.7 s each."""
MOST_VOTES: Final = 1_000.0
"""Nobody has more faces in a frame; keeps a cost near zero from overflowing."""
FORGETTING: Final = 0.0002
"""How fast the least detection cost gives way when the box has become slower for good."""


class CostEstimate:
    """Learnt cost of one stage: smoothed mean and mean deviation (as in RFC 6298, section 2)."""

    def __init__(self) -> None:
        self.mean_ms = 0.0
        self._deviation_ms = 0.0
        self._samples = 0

    @property
    def upper_ms(self) -> float:
        """What the next run will rarely exceed; 0 before the first observation."""
        return self.mean_ms + 4.0 * self._deviation_ms

    def observe(self, cost_ms: float) -> None:
        """Fold one measured run in."""
        if self._samples == 0:
            # The RFC starts at half the first sample; inference times vary far less than round trips,
            # and an eighth keeps the first plans from being needlessly timid.
            self.mean_ms, self._deviation_ms = cost_ms, cost_ms / 8.0
        else:
            self._deviation_ms += 0.25 * (abs(cost_ms - self.mean_ms) - self._deviation_ms)
            self.mean_ms += 0.125 * (cost_ms - self.mean_ms)
        self._samples += 1


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with one frame."""

    drop: bool
    detect: bool
    tier: int
    """Index into the detector tiers, most accurate first."""


class Scheduler:
    """Keeps capture-to-reading latency within a budget for one source.

    Args:
        budget_ms: From capture to the reading's arrival in the aggregator.
        relative_costs: Expected cost of each detector tier, in any unit, most accurate tier first.
        start_tier: Where to begin; time shows whether a better one fits.
    """

    def __init__(
        self, budget_ms: float, relative_costs: Sequence[float] = (1.0,), start_tier: int = 0
    ) -> None:
        self._target_ms = TARGET_SHARE * budget_ms
        self._relative_costs = tuple(relative_costs)
        self._detection = CostEstimate()
        self._classification = CostEstimate()
        self._least_detection_ms = 0.0
        self._last_detection_ms = 0.0
        self._frames_since_detection = MAX_DETECTION_INTERVAL
        self._interval = 1
        self._consecutive_drops = 0
        self._overruns = 0.0
        self._missed_share = 1.0
        self._hold_s = FIRST_HOLD_S
        self._has_climbed = False
        self._tier_since_s: float | None = None
        self.tier = start_tier

    def plan(self, now_s: float, age_ms: float) -> Plan:
        """Decide for a frame that was captured ``age_ms`` ago."""
        too_old = age_ms + self._classification.mean_ms > self._target_ms
        if too_old and self._consecutive_drops < MAX_CONSECUTIVE_DROPS:
            self._consecutive_drops += 1
            return Plan(drop=True, detect=False, tier=self.tier)
        self._consecutive_drops = 0
        if self._tier_since_s is None:
            self._tier_since_s = now_s
        self._consider_larger_tier(now_s, self._tier_since_s)
        self._frames_since_detection += 1
        detect = self._frames_since_detection >= self._interval
        if detect:
            self._frames_since_detection = 0
        return Plan(drop=False, detect=detect, tier=self.tier)

    def detection_took(self, cost_ms: float, now_s: float) -> None:
        """Learn the cost of detecting at the present tier, and step down when it keeps not fitting."""
        self._detection.observe(cost_ms)
        self._last_detection_ms = cost_ms
        least_ms = self._least_detection_ms or cost_ms
        self._least_detection_ms = min(cost_ms, least_ms + FORGETTING * (cost_ms - least_ms))
        self._overruns *= OVERRUN_MEMORY
        self._overruns += cost_ms > self._target_ms
        self._learn_larger_tier(cost_ms)
        lowest = len(self._relative_costs) - 1
        if self._overruns > STEP_DOWN_AT and self.tier < lowest:
            fell_back_soon = self._has_climbed and now_s - (self._tier_since_s or now_s) < 2.0 * self._hold_s
            self._hold_s = min(LONGEST_HOLD_S, 2.0 * self._hold_s) if fell_back_soon else FIRST_HOLD_S
            self._move_to(self.tier + 1, now_s)

    def classification_took(self, cost_ms: float) -> None:
        """Learn the cost of one classification."""
        self._classification.observe(cost_ms)

    def allowance(self, age_ms: float, waiting: int, *, detected: bool) -> int:
        """How many of ``waiting`` tracks may be classified on a frame that is ``age_ms`` old by now.

        On a frame without detection at least one is allowed, so that votes arrive however slow the device is.
        """
        in_time = self._votes_within(self._target_ms - age_ms, self._classification.upper_ms)
        fits = min(waiting, in_time)
        if not detected:
            fits = max(fits, min(1, waiting))
        self._adapt_interval(waiting, fits)
        spent_ms = self._last_detection_ms if detected else 0.0
        spread = self._votes_within(2.0 * self._least_detection_ms - spent_ms, self._classification.mean_ms)
        return min(fits, max(FEWEST_VOTES, spread))

    def has_time(self, age_ms: float) -> bool:
        """Whether one more classification still fits a frame that is ``age_ms`` old by now."""
        return age_ms + self._classification.mean_ms <= self._target_ms

    @staticmethod
    def _votes_within(room_ms: float, cost_ms: float) -> int:
        """One while the cost is unknown, to learn it."""
        return 1 if cost_ms <= 0.0 else math.floor(min(MOST_VOTES, max(0.0, room_ms / cost_ms)))

    def _adapt_interval(self, waiting: int, fits: int) -> None:
        """Skip detections while votes wait: a skipped detection's time goes to classification."""
        if self._classification.mean_ms <= 0.0:
            return  # nothing is known yet that could justify it
        if waiting > 0 and fits == 0:
            self._interval = max(2, self._interval)
        elif waiting > 2 * fits:
            self._interval = min(MAX_DETECTION_INTERVAL, self._interval + 1)
        elif waiting <= fits:
            alone = self._detection.upper_ms + self._classification.upper_ms > self._target_ms
            self._interval = 2 if alone and waiting else 1

    def _learn_larger_tier(self, cost_ms: float) -> None:
        """Note whether this detection would have fitted at the next larger input size."""
        if self.tier == 0:
            return
        ratio = self._relative_costs[self.tier - 1] / self._relative_costs[self.tier]
        missed = cost_ms * ratio > STEP_UP_SHARE * self._target_ms
        self._missed_share += SHARE_WEIGHT * (missed - self._missed_share)

    def _consider_larger_tier(self, now_s: float, since_s: float) -> None:
        if self.tier == 0 or now_s - since_s < self._hold_s:
            return
        if self._missed_share < STEP_UP_BELOW:
            self._has_climbed = True
            self._move_to(self.tier - 1, now_s)

    def _move_to(self, tier: int, now_s: float) -> None:
        self.tier = tier
        self._tier_since_s = now_s
        self._overruns = 0.0
        self._missed_share = 1.0
        self._least_detection_ms = 0.0
        self._detection = CostEstimate()
