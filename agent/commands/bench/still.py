"""What an hour of an empty room costs, with and without the motion gate.

The daemon's own capture and pipeline run on a camera that decodes nothing: the room's pictures lie in memory
and are shown as fast as they are taken, with the times of a camera's pace.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from agent.assembly import build_pipeline
from agent.commands.bench.measured import Still, Watched
from agent.commands.bench.memory_camera import StillCamera
from agent.source import Capture, Mailbox
from agent.source.picture import MotionGate, PictureWatch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent.inference import Networks
    from agent.settings import AgentSettings

HOUR_S: Final = 3600.0
_NAME: Final = "room"
_WARM_UP_FRAMES: Final = 30
_STALL_S: Final = 60.0


class FrameClock:
    """Monotonic seconds that begin anew with each frame, at the time when it was taken."""

    _ahead_s = 0.0
    """Of the counter."""

    def start(self, captured_at_s: float) -> None:
        """A frame's work begins."""
        self._ahead_s = captured_at_s - time.perf_counter()

    def __call__(self) -> float:
        """Now."""
        return time.perf_counter() + self._ahead_s


def measure_still(
    networks: Networks, settings: AgentSettings, pictures: NDArray[np.uint8], *, fps: float, seconds: float
) -> Still:
    """Processor seconds per hour of an empty room.

    Args:
        networks: Loaded.
        settings: Of the agent; the first source's ``idle_interval_ms`` is the gate's.
        pictures: N×H×W×3 BGR of a room where nothing moves, with the noise of a sensor.
        fps: Of the camera.
        seconds: Of camera time, which passes faster.
    """
    interval_s = next(iter(settings.sources.values())).idle_interval_ms / 1000.0

    def watched(frames: int, gate: MotionGate | None) -> Watched:
        return _watch(networks, settings, StillCamera(_NAME, pictures, fps, threading.Event(), frames), gate)

    watched(_WARM_UP_FRAMES, None)
    frames = max(1, round(fps * seconds))
    every = watched(frames, None)
    gated = watched(frames, MotionGate(interval_s) if interval_s else None)
    return Still(
        fps=fps,
        seconds=seconds,
        every_frame=every,
        gated=gated,
        share=gated.cpu_s_per_hour / every.cpu_s_per_hour,
        detection_share=gated.pipeline_cpu_s_per_hour / every.pipeline_cpu_s_per_hour,
    )


def _watch(
    networks: Networks, settings: AgentSettings, camera: StillCamera, gate: MotionGate | None
) -> Watched:
    clock, mailbox = FrameClock(), Mailbox([_NAME])
    pipeline = build_pipeline(networks, settings, clock)
    capture = Capture(_NAME, camera, mailbox, camera.stop, _STALL_S, watch=PictureWatch(), gate=gate)
    taken = 0
    began_s = time.process_time()
    capture.start()
    while not capture.ended.is_set() or not mailbox.empty:
        frame = mailbox.take(0.1)
        if frame is not None:
            clock.start(frame.captured_at_s)
            pipeline.step(frame)
            taken += 1
        del frame
    cpu_s = time.process_time() - began_s
    capture.join(1.0)
    per_hour = HOUR_S / camera.lasted_s
    return Watched(
        cpu_s_per_hour=cpu_s * per_hour,
        capture_cpu_s_per_hour=camera.cpu_s * per_hour,
        pipeline_cpu_s_per_hour=(cpu_s - camera.cpu_s) * per_hour,
        frames=camera.frames,
        read=camera.copied,
        processed=taken,
    )
