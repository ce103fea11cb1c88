"""Which of a V4L2 camera's pixel formats costs least: each is tried, and what it delivers and costs measured.

Motion-JPEG travels light and must be decoded; raw formats are nearly free to read, but a USB link may carry
few of them a second. Which is better depends on camera, link, size and processor, so it is measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from agent.source.cameras.v4l2 import CameraMode, OfferedFormat, asking, offered_formats

AUTO: Final = "auto"
"""In the place of a format's name: whichever costs least."""
READABLE: Final = ("MJPG", "YUYV", "UYVY", "NV12", "YU12", "JPEG", "YVYU", "NV21", "YV12", "BGR3", "RGB3")
"""What OpenCV turns into BGR, in the order in which they are tried."""
MOST_TRIED: Final = 4
"""Some drivers offer a dozen formats that they make from one another."""
SETTLING_FRAMES: Final = 5
"""Not counted: exposure and USB transfers settle in the first ones."""
MEASURED_S: Final = 0.8
"""Twelve frames at 15 a second."""
KEEPS_UP_SHARE: Final = 0.9
"""Of the wanted rate, or of the best that any format reaches: in the dark a camera is slow in all of them."""
DRIVER_BUFFERS: Final = 2
"""One is filled while one is in our hands. With a single one the driver drops every other frame, and with
more the frame that is read next may be an old one."""


@dataclass(frozen=True, slots=True)
class FormatTrial(OfferedFormat):
    """One format, what it brought, and why it was taken or not."""

    delivered_fps: float | None = None
    """None where it was not measured."""
    cpu_ms: float | None = None
    """Processor time of this process per frame: taken from the driver and turned into BGR."""
    chosen: bool = False
    verdict: str = ""

    @property
    def load(self) -> float | None:
        """Share of one core that reading this format takes."""
        if self.delivered_fps is None or self.cpu_ms is None:
            return None
        return self.delivered_fps * self.cpu_ms / 1000.0


@dataclass(frozen=True, slots=True)
class ChosenFormat:
    """The format that was chosen among those that a camera offered."""

    offered: str
    """All of them, in words that only another camera changes."""
    mode: CameraMode


class FormatMemory:
    """The format that was chosen, for as long as the camera offers the same ones.

    It outlives the camera process, so that a camera that was lost is back without being tried anew.

    Args:
        chosen: What an earlier one knew.
    """

    def __init__(self, chosen: ChosenFormat | None = None) -> None:
        self.chosen = chosen

    def recall(self, offered: Sequence[OfferedFormat]) -> CameraMode | None:
        """The choice among these; None where it was another camera's or there was none."""
        if self.chosen is None or self.chosen.offered != repr(tuple(offered)):
            return None
        return self.chosen.mode

    def keep(self, offered: Sequence[OfferedFormat], mode: CameraMode) -> None:
        """Note a choice."""
        self.chosen = ChosenFormat(repr(tuple(offered)), mode)


def list_formats(device: Path, wanted: CameraMode) -> tuple[OfferedFormat, ...]:
    """What a camera offers, nearest to the wanted size and rate; empty where its driver doesn't tell."""
    try:
        with asking(device) as ask:
            return offered_formats(ask, wanted.width_px, wanted.height_px, wanted.fps)
    except OSError:
        return ()


def try_formats(
    cv2: Any,
    device: Path,
    offered: Sequence[OfferedFormat],
    fps: float,
    *,
    measure_one: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[FormatTrial, ...]:
    """Measure the formats that can be read, and choose.

    Args:
        cv2: The loaded OpenCV.
        device: The resolved node.
        offered: By the camera.
        fps: Wanted.
        measure_one: Measure even where there is only one to choose from.
        clock: Monotonic seconds.

    Returns:
        In the given order, at most one of them chosen.
    """
    readable = [own for own in offered if own.mode.fourcc in READABLE]
    tried = sorted(readable, key=lambda own: READABLE.index(own.mode.fourcc))[:MOST_TRIED]
    measured = len(tried) > 1 or measure_one
    trials = [
        _try(cv2, device, own, clock) if measured and own in tried else _untried(own, alone=own in tried)
        for own in offered
    ]
    return decide(trials, fps)


def decide(trials: Sequence[FormatTrial], wanted_fps: float) -> tuple[FormatTrial, ...]:
    """Choose the cheapest format that keeps up, and say why each of the others was not taken.

    Args:
        trials: In any order; those with a verdict or without figures stay out of the choice.
        wanted_fps: As configured.
    """
    running = [trial for trial in trials if trial.load is not None and not trial.verdict]
    if not running:
        return tuple(trials)
    enough_fps = KEEPS_UP_SHARE * min(wanted_fps, max(trial.delivered_fps or 0.0 for trial in running))
    able = [trial for trial in running if (trial.delivered_fps or 0.0) >= enough_fps]
    best = min(able, key=lambda trial: trial.load or 0.0)
    return tuple(_judge(trial, best, wanted_fps, able) if trial in running else trial for trial in trials)


def _judge(
    trial: FormatTrial, best: FormatTrial, wanted_fps: float, able: Sequence[FormatTrial]
) -> FormatTrial:
    if trial is best:
        return replace(trial, chosen=True, verdict="chosen: costs least of those that keep up")
    if trial not in able:
        return replace(trial, verdict=f"delivers {trial.delivered_fps:.1f} of {wanted_fps:g} frames a second")
    ratio = (trial.load or 0.0) / max(best.load or 0.0, 1e-9)
    return replace(trial, verdict=f"costs {min(ratio, 99.0):.1f} times as much processor time")


def open_mode(cv2: Any, device: Path, mode: CameraMode) -> Any:
    """Open a camera with OpenCV and ask it for a mode, in whatever format where that is :data:`AUTO`.

    Returns:
        A ``VideoCapture``, which may not be opened.
    """
    capture = cv2.VideoCapture(str(device), cv2.CAP_V4L2)
    if capture.isOpened():
        if mode.fourcc != AUTO:
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*mode.fourcc))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, mode.width_px)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, mode.height_px)
        capture.set(cv2.CAP_PROP_FPS, mode.fps)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, DRIVER_BUFFERS)
    return capture


def measure(capture: Any, clock: Callable[[], float] = time.monotonic) -> tuple[float, float]:
    """Read frames for a while.

    Returns:
        Frames a second, and milliseconds of this thread's processor time per frame; 0 and 0 where none came.
        What the kernel spends is not in it.
    """
    delivered, pixels = capture.read()
    for _ in range(SETTLING_FRAMES - 1):
        delivered = delivered and capture.read(pixels)[0]
    started_s, spent_s, frames = clock(), time.thread_time(), 0
    while delivered and clock() - started_s < MEASURED_S:
        delivered = capture.read(pixels)[0]
        frames += 1
    if not delivered:
        return 0.0, 0.0
    cpu_s = time.thread_time() - spent_s
    pixels.fill(0)
    return frames / (clock() - started_s), 1000.0 * cpu_s / frames


def _try(cv2: Any, device: Path, offered: OfferedFormat, clock: Callable[[], float]) -> FormatTrial:
    trial = FormatTrial(offered.mode, offered.description, offered.compressed)
    capture = open_mode(cv2, device, offered.mode)
    try:
        if not capture.isOpened():
            return replace(trial, verdict="does not open: another program uses the camera")
        given = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little").decode(errors="replace")
        if given != offered.mode.fourcc:
            return replace(trial, verdict=f"the driver gives {given} instead")
        fps, cpu_ms = measure(capture, clock)
    finally:
        capture.release()
    if fps == 0.0:
        return replace(trial, verdict="delivers nothing")
    return replace(trial, delivered_fps=fps, cpu_ms=cpu_ms)


def _untried(offered: OfferedFormat, *, alone: bool) -> FormatTrial:
    trial = FormatTrial(offered.mode, offered.description, offered.compressed)
    if alone:
        return replace(trial, chosen=True, verdict="chosen: the only one that can be read")
    if offered.mode.fourcc not in READABLE:
        return replace(trial, verdict="can't be read")
    return replace(trial, verdict=f"not tried: {MOST_TRIED} others come first")
