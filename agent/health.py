"""How the agent is doing, collected step by step and told in one message that counts no people."""

from __future__ import annotations

import statistics
from collections import deque
from typing import TYPE_CHECKING, Final

from agent.messages import CameraHealth, HealthMessage, LatencyQuantiles, QueueHealth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.domain import CameraStatus
    from agent.host.thermal import DeviceReadings
    from agent.messages import HealthState
    from agent.pipeline import Step
    from agent.publisher import BrokerStatus

_REMEMBERED_STEPS: Final = 1_000
"""Steps over which quantiles are taken; enough for a p99, bounded for a box that runs for years."""
_SEVERITY: Final = ("delivering", "ended", "starting", "reopening")
"""Camera states from good to bad."""
_P50, _P95, _P99 = 49, 94, 98


class HealthRecorder:
    """Takes in steps from the pipeline thread and answers how things stand, on the same thread.

    Args:
        budget_ms: The configured latency budget.
        started_s: Monotonic seconds at which the agent started.
        lowest_tier: Index of the cheapest detector tier; missing the budget there is ``over_budget``.
    """

    def __init__(self, budget_ms: float, started_s: float, lowest_tier: int) -> None:
        self._budget_ms = budget_ms
        self._started_s = started_s
        self._lowest_tier = lowest_tier
        self._latencies_ms: deque[float] = deque(maxlen=_REMEMBERED_STEPS)
        self._steps_since_report = 0
        self._reported_s = started_s
        self._stale_frames = 0
        self._tier = 0

    def record(self, step: Step) -> None:
        """Take in what one frame brought."""
        self._tier = step.tier
        if step.dropped:
            self._stale_frames += 1
            return
        self._steps_since_report += 1
        self._latencies_ms.append(step.latency_ms)

    def message(
        self,
        now_s: float,
        *,
        cameras: Mapping[str, CameraStatus],
        broker: BrokerStatus,
        tier_names: tuple[str, ...],
        frames_dropped: int,
        clock_synced: bool,
        device: DeviceReadings,
    ) -> HealthMessage:
        """The report since the last one; ``frames_dropped`` counts those replaced in the mailbox."""
        elapsed_s = now_s - self._reported_s
        fps = self._steps_since_report / elapsed_s if elapsed_s > 0.0 else None
        self._steps_since_report, self._reported_s = 0, now_s
        parts = {name: _camera_health(status) for name, status in cameras.items()}
        return HealthMessage(
            state=self._state(cameras),
            uptime_s=round(now_s - self._started_s, 1),
            rss_mb=device.rss_mb,
            cpu_temp_c=device.cpu_temp_c,
            throttled=device.throttled,
            fps=None if fps is None else round(fps, 2),
            latency_ms=self._quantiles(),
            budget_ms=self._budget_ms,
            frames_dropped=frames_dropped + self._stale_frames,
            tier=tier_names[self._tier],
            camera=_worst(parts),
            cameras=parts,
            queue=QueueHealth(depth=broker.queue_depth, dropped=broker.dropped),
            clock_synced=clock_synced,
        )

    def _state(self, cameras: Mapping[str, CameraStatus]) -> HealthState:
        states = {status.state for status in cameras.values()}
        if states == {"ended"}:
            return "ended"
        if "delivering" not in states:
            return "starting" if "starting" in states and not self._latencies_ms else "no_camera"
        p99_ms = self._quantiles().p99
        if p99_ms is not None and p99_ms > self._budget_ms and self._tier == self._lowest_tier:
            return "over_budget"
        return "degraded" if states & {"reopening", "starting"} else "ok"

    def _quantiles(self) -> LatencyQuantiles:
        if len(self._latencies_ms) < 2:  # noqa: PLR2004 - quantiles need two points
            return LatencyQuantiles()
        cuts = statistics.quantiles(self._latencies_ms, n=100, method="inclusive")
        return LatencyQuantiles(p50=round(cuts[_P50], 1), p95=round(cuts[_P95], 1), p99=round(cuts[_P99], 1))


def _camera_health(status: CameraStatus) -> CameraHealth:
    return CameraHealth(
        state=status.state,
        reconnects=status.reconnects,
        stalls_1h=status.stalls_1h,
        picture=status.picture,
        reason=status.reason,
    )


def _worst(parts: Mapping[str, CameraHealth]) -> CameraHealth:
    """One line for all cameras: the worst one's, with the sums of the counters."""
    worst = max(parts.values(), key=lambda part: (_SEVERITY.index(part.state), part.picture != "good"))
    return worst.model_copy(
        update={
            "reconnects": sum(part.reconnects for part in parts.values()),
            "stalls_1h": sum(part.stalls_1h for part in parts.values()),
        },
    )
