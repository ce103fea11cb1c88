"""How the agent is doing, collected step by step and told in one message that counts no people.

How many frames are looked at, and how long that takes, depends on what is in view: a still scene is looked at
twice a second, and every face costs its classification. Told live, these figures would say within seconds
that somebody is there, and how many, while the counts are withheld. So each window keeps its figures to
itself until it closes, and they are told only if its counts are, without noise; else nothing is. What the
picture shows is told as it was when the window closed: live, it would tell when a light was switched.

Two things are told at all times. ``state`` says ``over_budget`` by frames on which nobody was classified,
whose cost is the detector's. The processor's temperature follows the load by minutes; it is told in steps of
5 °C.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from agent.contract import CameraHealth, HealthMessage, HealthState, LatencyQuantiles, QueueHealth

if TYPE_CHECKING:
    from agent.domain import BrokerStatus, CameraStatus
    from agent.host import DeviceReadings
    from agent.pipeline import Step

_REMEMBERED_STEPS: Final = 1_000
"""Steps over which quantiles are taken; enough for a p99, bounded for a box that runs for years."""
_SEVERITY: Final = ("delivering", "ended", "starting", "reopening")
"""Camera states from good to bad."""


@dataclass(slots=True)
class _Load:
    """What one source asked of the box during one window."""

    steps: int = 0
    stale_frames: int = 0
    latencies_ms: deque[float] = field(default_factory=partial(deque, maxlen=_REMEMBERED_STEPS))
    fps: float = 0.0
    """Frames looked at per second; known when the window has closed."""


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
        self._open: dict[str, _Load] = {}
        self._told: dict[str, _Load] = {}
        """By source; only of those whose latest window may be told of."""
        self._unclassified_ms: deque[float] = deque(maxlen=_REMEMBERED_STEPS)
        self._pictures: dict[str, CameraStatus] = {}
        """By source, as its latest window closed."""
        self._replaced_before: dict[str, int] = {}
        self._frames_dropped = 0
        self._has_stepped = False
        self._tier = 0
        self._told_tier: int | None = None

    def record(self, source: str, step: Step) -> None:
        """Take in what one frame of a source brought."""
        load = self._open.setdefault(source, _Load())
        self._tier = step.tier
        if step.dropped:
            load.stale_frames += 1
            return
        self._has_stepped = True
        load.steps += 1
        load.latencies_ms.append(step.latency_ms)
        if not step.classified:
            self._unclassified_ms.append(step.latency_ms)

    def window_closed(
        self, source: str, length_s: float, replaced: int, camera: CameraStatus, *, may_tell: bool
    ) -> None:
        """Release or forget the figures of a source's window.

        Args:
            source: Whose window it was.
            length_s: Above 0.
            replaced: Frames of the source that the mailbox has replaced since the start.
            camera: How the source is doing now.
            may_tell: Whether the privacy policy lets them out.
        """
        self._pictures[source] = camera
        load = self._open.pop(source, _Load())
        replaced_now = replaced - self._replaced_before.get(source, 0)
        self._replaced_before[source] = replaced
        self._told.pop(source, None)
        if may_tell:
            load.fps = load.steps / length_s
            self._told[source] = load
            self._told_tier = self._tier
            self._frames_dropped += load.stale_frames + replaced_now

    def message(
        self,
        now_s: float,
        *,
        cameras: Mapping[str, CameraStatus],
        broker: BrokerStatus,
        tier_names: tuple[str, ...],
        clock_synced: bool,
        device: DeviceReadings,
    ) -> HealthMessage:
        """How things stand; load figures are those of each source's latest window, if they may be told."""
        parts = {
            name: CameraHealth.model_validate(self._as_told(name, status), from_attributes=True)
            for name, status in cameras.items()
        }
        return HealthMessage(
            state=self._state(cameras),
            uptime_s=round(now_s - self._started_s, 1),
            rss_mb=round(device.rss_mb),
            cpu_temp_c=None if device.cpu_temp_c is None else 5.0 * round(device.cpu_temp_c / 5.0),
            throttled=device.throttled,
            fps=round(sum(load.fps for load in self._told.values()), 2) if self._told else None,
            latency_ms=_quantiles(self._told_latencies_ms()),
            budget_ms=self._budget_ms,
            frames_dropped=self._frames_dropped,
            tier=tier_names[self._told_tier] if self._told and self._told_tier is not None else "",
            camera=_worst(parts),
            cameras=parts,
            queue=QueueHealth(depth=broker.queue_depth, dropped=broker.dropped, damaged=broker.damaged),
            clock_synced=clock_synced,
        )

    def _state(self, cameras: Mapping[str, CameraStatus]) -> HealthState:
        states = {status.state for status in cameras.values()}
        if states == {"ended"}:
            return "ended"
        if "delivering" not in states:
            return "starting" if "starting" in states and not self._has_stepped else "no_camera"
        slowest_ms = (_quantiles(self._unclassified_ms).p99, _quantiles(self._told_latencies_ms()).p99)
        late = any(p99_ms is not None and p99_ms > self._budget_ms for p99_ms in slowest_ms)
        if late and self._tier == self._lowest_tier:
            return "over_budget"
        return "degraded" if states & {"reopening", "starting"} else "ok"

    def _as_told(self, source: str, status: CameraStatus) -> CameraStatus:
        """With the picture of the latest window's end."""
        then = self._pictures.get(source)
        picture = "good" if then is None else then.picture
        useless = "" if then is None or picture == "good" else then.reason
        reason = useless if status.state == "delivering" else status.reason
        return replace(status, picture=picture, reason=reason)

    def _told_latencies_ms(self) -> list[float]:
        return [latency_ms for load in self._told.values() for latency_ms in load.latencies_ms]


def _quantiles(latencies_ms: Collection[float]) -> LatencyQuantiles:
    if len(latencies_ms) < 2:  # noqa: PLR2004 - quantiles need two points
        return LatencyQuantiles()
    cuts = [round(cut, 1) for cut in statistics.quantiles(latencies_ms, n=100, method="inclusive")]
    return LatencyQuantiles(p50=cuts[49], p95=cuts[94], p99=cuts[98])


def _worst(parts: Mapping[str, CameraHealth]) -> CameraHealth:
    """One line for all cameras: the worst one's, with the sums of the counters."""
    worst = max(parts.values(), key=lambda part: (_SEVERITY.index(part.state), part.picture != "good"))
    return worst.model_copy(
        update={
            "reconnects": sum(part.reconnects for part in parts.values()),
            "stalls_1h": sum(part.stalls_1h for part in parts.values()),
        },
    )
