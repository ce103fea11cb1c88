"""Stands between the pipeline and what it calls, and keeps the time that passes there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from agent.scheduler import Scheduler

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agent.inference import LoadedNetwork, Network


@dataclass(slots=True)
class Times:
    """Seconds spent since the last reset, and how often."""

    detector_network_s: float = 0.0
    classifier_network_s: float = 0.0
    detection_s: float = 0.0
    """Detector and tracker, network included."""
    classification_s: float = 0.0
    """Crop, network, vote."""
    classifications: int = 0


class TimedNetwork:
    """A network whose runs are added up; see :class:`agent.inference.network.Network`."""

    def __init__(self, network: Network, times: Times, field_name: str) -> None:
        self._network = network
        self._times = times
        self._field_name = field_name
        self.input_buffer = network.input_buffer
        self.output_shapes = network.output_shapes
        self.close = network.close

    def run(self) -> tuple[NDArray[Any], ...]:
        """Run the network behind."""
        started_s = time.perf_counter()
        outputs = self._network.run()
        spent_s = time.perf_counter() - started_s
        setattr(self._times, self._field_name, getattr(self._times, self._field_name) + spent_s)
        return outputs


def timed(network: LoadedNetwork, times: Times, field_name: str) -> LoadedNetwork:
    """The same network, with its runs added to a field of ``times``."""
    return replace(network, network=TimedNetwork(network.network, times, field_name))


class RecordingScheduler(Scheduler):
    """The real one, which also notes what it is told."""

    def __init__(
        self, times: Times, budget_ms: float, relative_costs: Sequence[float], start_tier: int
    ) -> None:
        super().__init__(budget_ms, relative_costs, start_tier)
        self._times = times

    def detection_took(self, cost_ms: float, now_s: float) -> None:
        """Note it and pass it on."""
        self._times.detection_s += cost_ms / 1000.0
        super().detection_took(cost_ms, now_s)

    def classification_took(self, cost_ms: float) -> None:
        """Note it and pass it on."""
        self._times.classification_s += cost_ms / 1000.0
        self._times.classifications += 1
        super().classification_took(cost_ms)
