"""Several cameras in one process, as the daemon runs them: does each get its share, and in time?"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from agent.assembly import build_pipeline
from agent.commands.bench.measured import Several, Turn
from agent.commands.bench.memory_camera import MemoryCamera
from agent.commands.bench.still import HOUR_S
from agent.source import Capture, Mailbox
from agent.source.picture import PictureWatch

if TYPE_CHECKING:
    from agent.inference import Networks
    from agent.pipeline import Pipeline
    from agent.settings import AgentSettings

FAIR_WITHIN: Final = 0.1
"""Of an equal share."""
_STALL_S: Final = 60.0
_WARM_UP_S: Final = 1.0
_LONGEST_WAIT_S: Final = 0.5


def measure_several(
    networks: Networks,
    settings: AgentSettings,
    pictures: NDArray[np.uint8],
    *,
    count: int,
    fps: float,
    seconds: float,
) -> Several:
    """Shares and latencies of ``count`` sources that take turns on one pipeline thread.

    Args:
        networks: Loaded; shared by all.
        settings: Of the agent.
        pictures: N×H×W×3 BGR; every source shows the same.
        count: Of sources.
        fps: Of each camera.
        seconds: To measure, after a second that isn't.
    """
    names = [f"source-{number + 1}" for number in range(count)]
    pipelines = {name: build_pipeline(networks, settings, time.monotonic) for name in names}
    with _captured(names, pictures, fps) as mailbox:
        _consume(mailbox, pipelines, _WARM_UP_S)
        before = {name: mailbox.dropped_by(name) for name in names}
        began_s, began_cpu_s = time.monotonic(), time.process_time()
        seen = _consume(mailbox, pipelines, seconds)
        spent_s, cpu_s = time.monotonic() - began_s, time.process_time() - began_cpu_s
        dropped = {name: mailbox.dropped_by(name) - before[name] for name in names}
    equal = max(1.0, sum(map(len, seen.values())) / count)
    turns = tuple(_turn(name, seen[name], dropped[name], spent_s, equal) for name in names)
    return Several(
        fps=fps,
        cpu_s_per_hour=HOUR_S * cpu_s / spent_s,
        budget_ms=settings.latency.budget_ms,
        sources=turns,
        fair=all(abs(turn.share - 1.0) <= FAIR_WITHIN for turn in turns),
        in_time=all(turn.p99_ms <= settings.latency.budget_ms for turn in turns),
    )


@contextmanager
def _captured(names: Sequence[str], pictures: NDArray[np.uint8], fps: float) -> Iterator[Mailbox]:
    """A camera and its capture for each name while the block lasts."""
    stop, mailbox = threading.Event(), Mailbox(names)
    with ExitStack() as stack:
        for name in names:
            camera = MemoryCamera(name, pictures, fps, stop)
            capture = Capture(name, camera, mailbox, stop, _STALL_S, watch=PictureWatch())
            capture.start()
            stack.callback(capture.join, 1.0)
        stack.callback(mailbox.close)
        stack.callback(stop.set)
        yield mailbox


def _consume(mailbox: Mailbox, pipelines: Mapping[str, Pipeline], seconds: float) -> dict[str, list[float]]:
    """Latencies in milliseconds by source, of frames that were not dropped as stale."""
    seen: dict[str, list[float]] = {name: [] for name in pipelines}
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        frame = mailbox.take(_LONGEST_WAIT_S)
        if frame is not None:
            step = pipelines[frame.source].step(frame)
            if not step.dropped:
                seen[frame.source].append(step.latency_ms)
        del frame
    return seen


def _turn(name: str, latencies_ms: list[float], dropped: int, seconds: float, equal: float) -> Turn:
    p50, p95, p99 = np.percentile(latencies_ms or [0.0], (50, 95, 99)).tolist()
    return Turn(
        name=name,
        frames=len(latencies_ms),
        fps=len(latencies_ms) / seconds,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=max(latencies_ms, default=0.0),
        dropped=dropped,
        share=len(latencies_ms) / equal,
    )
