"""The measured process: the daemon's own pipeline, fed from shared memory.

Reads one request as JSON from stdin, prints JSON lines: progress, then the result. It holds nothing
that a daemon doesn't hold, so that its memory is the daemon's.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from multiprocessing import resource_tracker, shared_memory
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from agent.assembly import build_pipeline
from agent.commands.bench.measured import Played, Request, Several, Still
from agent.commands.bench.recording import RecordingScheduler, Times, timed
from agent.commands.bench.several import measure_several
from agent.commands.bench.still import HOUR_S, measure_still
from agent.frame import Frame
from agent.host import load_opencv
from agent.inference import Networks, choose_networks

if TYPE_CHECKING:
    from agent.pipeline import Pipeline
    from agent.settings import AgentSettings

WARM_UP_FRAMES: Final = 60
MOST_LATENCIES: Final = 100_000
"""Of which quantiles are taken; beyond it the oldest are overwritten."""
_TOLD_EVERY_S: Final = 0.25
_STILL_FPS: Final = 15.0
_OVERLOAD: Final = 1.5
"""Times what the box can take, so that a frame of every camera always waits."""


def main() -> None:
    """Serve one request."""
    load_opencv()
    request = TypeAdapter(Request).validate_json(sys.stdin.buffer.read())
    settings = request.settings
    networks, choice = choose_networks(settings, request.state_dir)
    memory = shared_memory.SharedMemory(request.memory)
    # The parent made it and removes it; this process must not.
    resource_tracker.unregister(memory._name, "shared_memory")  # type: ignore[attr-defined]  # noqa: SLF001
    pictures: NDArray[np.uint8] = np.ndarray(request.shape, np.uint8, memory.buf)
    measured: Played | Still | Several
    if request.still:
        fps = request.fps or _STILL_FPS
        measured = measure_still(networks, settings, pictures, fps=fps, seconds=request.seconds)
    elif request.sources:
        fps = request.fps or _OVERLOAD * _capacity_fps(networks, settings, pictures) / request.sources
        count, seconds = request.sources, request.seconds
        measured = measure_several(networks, settings, pictures, count=count, fps=fps, seconds=seconds)
    else:
        measured = play(request, networks, pictures, cached=choice.cached)
    _say(result=asdict(measured))
    del pictures
    memory.close()


def play(request: Request, networks: Networks, pictures: NDArray[np.uint8], *, cached: bool) -> Played:
    """Measure the pipeline of one source, stage by stage."""
    times = Times()
    measured = Networks(
        tuple(timed(network, times, "detector_network_s") for network in networks.detectors),
        None if networks.classifier is None else timed(networks.classifier, times, "classifier_network_s"),
        networks.start_tier,
        networks.costs,
    )
    scheduler = RecordingScheduler(
        times, request.settings.latency.budget_ms, measured.relative_costs, measured.start_tier
    )
    pipeline = build_pipeline(measured, request.settings, time.monotonic, scheduler)
    ready_s = time.monotonic() - request.spawned_s
    run = Run(pipeline, pictures, times)
    run.play(request)
    return run.result(networks, ready_s, cached=cached)


def _capacity_fps(networks: Networks, settings: AgentSettings, pictures: NDArray[np.uint8]) -> float:
    """Frames a second that this box can take."""
    run = Run(build_pipeline(networks, settings, time.monotonic), pictures, Times())
    run.show(WARM_UP_FRAMES)
    started_s = time.monotonic()
    run.show(WARM_UP_FRAMES)
    return WARM_UP_FRAMES / (time.monotonic() - started_s)


class Run:
    """One measurement; the frame is copied as a camera driver would hand it over."""

    def __init__(self, pipeline: Pipeline, pictures: NDArray[np.uint8], times: Times) -> None:
        self._pipeline = pipeline
        self._pictures = pictures
        self._order = [*range(len(pictures)), *range(len(pictures) - 2, 0, -1)]
        self._pixels = np.empty_like(pictures[0])
        self._times = times
        # Committed up front: what the measurement itself needs must not look like growth.
        self._latencies_ms = np.ones(MOST_LATENCIES, np.float32)
        self._last_tier: int | None = None
        self._reset()
        self._told_s = 0.0
        self._private_mb: list[float] = []
        # At the camera's pace; without one a box is busy all the time.
        self._cpu_s_per_hour: float | None = None

    def show(self, frames: int) -> None:
        """Show frames one after the other."""
        for index in range(frames):
            self._show(index, time.monotonic())

    def play(self, request: Request) -> None:
        """Warm up, then measure."""
        limit = request.frames
        self.show(WARM_UP_FRAMES)
        self._reset()
        started_s, started_cpu_s = time.monotonic(), time.process_time()
        sample_every = max(1, (limit or 1_000) // 50)
        shown = -1
        while True:
            now_s = time.monotonic()
            if now_s - started_s >= request.seconds if limit is None else self._frames >= limit:
                break
            if request.fps is None:
                shown += 1
                captured_s = now_s
            else:
                due = int((now_s - started_s) * request.fps)
                if due <= shown:
                    time.sleep(max(0.0, started_s + (shown + 1) / request.fps - now_s))
                    continue
                self._skipped += due - shown - 1
                shown = due
                captured_s = started_s + due / request.fps
            self._show(shown, captured_s)
            self._tell(now_s, started_s, request)
            if self._frames % sample_every == 0:
                self._private_mb.append(memory_mb("RssAnon"))
        if request.fps is not None:
            spent_s = max(1e-9, time.monotonic() - started_s)
            self._cpu_s_per_hour = HOUR_S * (time.process_time() - started_cpu_s) / spent_s

    def result(self, networks: Networks, ready_s: float, *, cached: bool) -> Played:
        """All figures, with what ran and how soon it was ready."""
        latencies = self._latencies_ms[: max(1, min(self._measured, MOST_LATENCIES))]
        p50, p95, p99 = (float(np.percentile(latencies, cut)) for cut in (50, 95, 99))
        per_frame = 1000.0 / max(1, self._frames)
        busy_s = self._copy_s + self._step_s
        network_s = self._times.detector_network_s + self._times.classifier_network_s
        file = networks.detectors[0].file
        return Played(
            frames=self._frames,
            fps=self._frames / max(1e-9, busy_s),
            p50_ms=p50,
            p95_ms=p95,
            p99_ms=p99,
            max_ms=float(latencies.max()),
            dropped=self._skipped + self._stale,
            dropped_in_mailbox=self._skipped,
            dropped_stale=self._stale,
            readings_per_frame=self._readings / max(1, self._frames),
            classifications_per_frame=self._times.classifications / max(1, self._frames),
            tier_changes=self._tier_changes,
            last_tier=self._last_tier or 0,
            frame_ms=busy_s * per_frame,
            overhead_ms=(busy_s - network_s) * per_frame,
            stages_ms={stage: spent_s * per_frame for stage, spent_s in self._stages_s().items()},
            cpu_s_per_hour=self._cpu_s_per_hour,
            rss_mb=memory_mb("VmRSS") - memory_mb("RssShmem"),
            rss_growth_mb=_growth(self._private_mb),
            ready_s=ready_s,
            cached=cached,
            backend=file.backend,
            precision=file.precision,
            tiers=tuple(network.name for network in networks.detectors),
        )

    def _stages_s(self) -> dict[str, float]:
        """Of all frames; by what people call the stage."""
        times = self._times
        return {
            "capture copy": self._copy_s,
            "detector network": times.detector_network_s,
            "letterbox, decode, track": times.detection_s - times.detector_network_s,
            "classifier network": times.classifier_network_s,
            "crop, vote": times.classification_s - times.classifier_network_s,
            "rest": self._step_s - times.detection_s - times.classification_s,
        }

    def _show(self, index: int, captured_s: float) -> None:
        started_s = time.perf_counter()
        np.copyto(self._pixels, self._pictures[self._order[index % len(self._order)]])
        copied_s = time.perf_counter()
        step = self._pipeline.step(Frame(self._pixels, captured_s, "bench", index))
        ended_s = time.perf_counter()
        self._copy_s += copied_s - started_s
        self._step_s += ended_s - copied_s
        self._tier_changes += self._last_tier is not None and step.tier != self._last_tier
        self._last_tier = step.tier
        self._frames += 1
        if step.dropped:
            self._stale += 1
        else:
            self._latencies_ms[self._measured % MOST_LATENCIES] = step.latency_ms
            self._measured += 1
            self._readings += len(step.readings)

    def _reset(self) -> None:
        self._measured = self._tier_changes = 0
        self._copy_s = self._step_s = 0.0
        self._frames = self._skipped = self._stale = self._readings = 0
        for name, value in asdict(Times()).items():
            setattr(self._times, name, value)

    def _tell(self, now_s: float, started_s: float, request: Request) -> None:
        if now_s - self._told_s < _TOLD_EVERY_S:
            return
        self._told_s = now_s
        share = self._frames / request.frames if request.frames else (now_s - started_s) / request.seconds
        _say(progress=min(1.0, share))


def memory_mb(kind: str) -> float:
    """A line of ``/proc/self/status`` in MiB; 0 where the system doesn't tell.

    Args:
        kind: "VmRSS" for all that is resident, "RssShmem" for what is shared with the parent, "RssAnon"
            for the process's own.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    values = [line.split()[1] for line in lines if line.startswith(f"{kind}:")]
    return float(values[0]) / 1024.0 if values else 0.0


def _growth(samples: list[float]) -> float:
    """From the median of the second tenth of the samples to that of the last tenth."""
    tenth = max(1, len(samples) // 10)
    if len(samples) < 3 * tenth:
        return 0.0
    return float(np.median(samples[-tenth:]) - np.median(samples[tenth : 2 * tenth]))


def _say(**message: object) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
