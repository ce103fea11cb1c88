"""Runs the measurements one after the other and shows how far they are."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from multiprocessing import shared_memory
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from agent.commands.bench.figures import Figures
from agent.commands.bench.heads import read_heads
from agent.commands.bench.peers import compare_peers
from agent.commands.bench.request import Request
from agent.commands.bench.table import print_figures
from agent.errors import AgentError
from agent.inference.bundle import open_bundle
from agent.inference.choice import TrialOptions, make_choice
from agent.settings import AgentSettings, DeploymentSettings, LatencySettings, ModelsSettings, ReplaySource
from agent.synthetic import draw_crowd, empty_room

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.synthetic import Clip

FACES: Final = (1, 5, 20, 50)
_PROBE_S: Final = 1.5
_STEP: Final = 100.0


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What to measure, and under which conditions."""

    faces: tuple[int, ...] = FACES
    budget_ms: float = 100.0
    threads: int = 0
    """0 is what the agent takes by itself."""
    backend: str = "auto"
    precision: str = "auto"
    bundle: Path | None = None
    """None is the one installed with the agent."""
    trusted_keys: tuple[Path, ...] = ()
    allow_unsigned: bool = False
    """Both as in the configuration's ``[models]``."""
    fps: float | None = 15.0
    """Pace of the drawn camera; None goes as fast as it can."""
    seconds: float = 10.0
    """Per number of faces."""
    burners: int = 0
    """Processes that burn one core each beside the measurement."""
    soak_frames: int = 0
    """Frames of one face to run for the growth of memory; 0 leaves it out."""
    still_s: float = 20.0
    """Camera time of an empty room, which passes faster."""
    sources: int = 0
    """Sources to run at once in one process; 0 leaves it out."""
    peers: bool = False
    """Compare with other packages on the same clip."""
    peer_python: str = sys.executable
    """Interpreter of an environment that has the ``fer`` package."""
    yunet: Path | None = None
    """``.onnx`` file of OpenCV's YuNet."""
    heads: Path | None = None
    """Folder of heads to show the peers; None is the astronaut."""


def run_bench(options: BenchOptions, *, as_json: bool = False, console: Console | None = None) -> int:
    """Measure and print.

    Args:
        options: What to measure.
        as_json: One JSON object on stdout instead of tables; progress goes to stderr then.
        console: To print on; stdout by default.

    Returns:
        Exit status 0.

    Raises:
        AgentError: Something the measurement needs is missing.
    """
    console = console or Console()
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with progress, tempfile.TemporaryDirectory(prefix="emotion-agent-bench-") as folder:
        figures = _Bench(options, Path(folder), progress).run()
    if as_json:
        console.print_json(json.dumps(figures.as_json()))
    else:
        print_figures(figures, console)
    return 0


class _Bench:
    """One run; the folder stands for a device's state directory."""

    def __init__(self, options: BenchOptions, folder: Path, progress: Progress) -> None:
        self._options = options
        self._folder = folder
        self._progress = progress

    def run(self) -> Figures:
        """All measurements."""
        options = self._options
        settings = self._settings(options.backend, options.precision)
        bundle = open_bundle(settings.models)
        with self._task("candidates") as task:
            choice = make_choice(
                bundle,
                settings.models,
                self._folder,
                options.budget_ms,
                options=TrialOptions(
                    seconds=_PROBE_S, report=lambda _trial: self._progress.advance(task, _STEP / 20)
                ),
            )
        with _burning(options.burners):
            pipeline = {str(count): self._faces(settings, count) for count in options.faces}
            baseline: dict[str, Any] = {}
            if "1" in pipeline:
                fp32 = self._settings("onnxruntime", "fp32")
                baseline = self._play("1 face, ONNX Runtime FP32", fp32, draw_crowd(1), fps=None)
            soak: dict[str, Any] | None = None
            if options.soak_frames:
                soak = self._play(
                    f"soak, {options.soak_frames} frames",
                    settings,
                    draw_crowd(1),
                    options.soak_frames,
                    fps=None,
                )
            still = self._play(
                "empty room", settings, empty_room(), fps=options.fps, seconds=options.still_s, still=True
            )
            several = self._several(settings) if options.sources else {}
            peers: list[dict[str, Any]] = []
            if options.peers:
                with self._task("peers"):
                    heads = read_heads(options.heads) if options.heads else None
                    peers = compare_peers(options.peer_python, options.yunet, settings, heads)
        conditions = {
            "budget_ms": options.budget_ms,
            "fps": options.fps,
            "seconds": options.seconds,
            "threads": options.threads,
            "burners": options.burners,
        }
        return Figures(choice, pipeline, baseline, soak, peers, still, several, conditions)

    def _faces(self, settings: AgentSettings, count: int) -> dict[str, Any]:
        """Latency at the camera's pace; rate and shares of the stages without waiting for it."""
        clip = draw_crowd(count)
        name = f"{count} face{'s' if count > 1 else ''}"
        free = self._play(f"{name}, unpaced", settings, clip, fps=None)
        if self._options.fps is None:
            return free
        paced = self._play(f"{name}, {self._options.fps:g} fps", settings, clip, fps=self._options.fps)
        timed = ("p50_ms", "p95_ms", "p99_ms", "max_ms", "tier_changes", "last_tier", "readings_per_frame")
        dropped = ("dropped", "dropped_in_mailbox", "dropped_stale", "frames", "classifications_per_frame")
        costs = ("rss_mb", "cpu_s_per_hour")
        return {**free, **{key: paced[key] for key in (*timed, *dropped, *costs)}}

    def _several(self, settings: AgentSettings) -> dict[str, Any]:
        """Sources at once, at the camera's pace and at one that no pipeline keeps up with."""
        count = self._options.sources
        return {
            load: self._play(f"{count} sources, {load}", settings, draw_crowd(1), fps=fps, sources=count)
            for load, fps in (("paced", self._options.fps), ("overloaded", None))
        }

    def _play(
        self,
        name: str,
        settings: AgentSettings,
        clip: Clip,
        frames: int | None = None,
        *,
        fps: float | None,
        seconds: float | None = None,
        still: bool = False,
        sources: int = 0,
    ) -> dict[str, Any]:
        own_seconds = self._options.seconds if fps is not None else min(self._options.seconds, 5.0)
        with self._task(name) as task, _shared(clip) as memory:
            request = Request(
                settings=settings.model_dump(mode="json"),
                state_dir=str(self._folder),
                memory=memory,
                shape=tuple(clip.frames.shape),
                spawned_s=time.monotonic(),
                fps=fps,
                seconds=own_seconds if seconds is None else seconds,
                frames=frames,
                still=still,
                sources=sources,
            )
            for message in _serve(request):
                if "result" in message:
                    result: dict[str, Any] = message["result"]
                    return result
                self._progress.update(task, completed=_STEP * message.get("progress", 0.0))
        raise AgentError(f"the measured process ended without a result ({name}): run it with --verbose")

    @contextlib.contextmanager
    def _task(self, name: str) -> Iterator[Any]:
        task = self._progress.add_task(name, total=_STEP)
        try:
            yield task
        finally:
            self._progress.remove_task(task)

    def _settings(self, backend: str, precision: str) -> AgentSettings:
        options = self._options
        return AgentSettings(
            deployment=DeploymentSettings(site="bench", device="this-machine", context="demo"),
            sources={"bench": ReplaySource(type="replay", path=self._folder)},
            models=ModelsSettings.model_validate(
                {
                    "bundle": options.bundle,
                    "trusted_keys": options.trusted_keys,
                    "allow_unsigned": options.allow_unsigned,
                    "backend": backend,
                    "precision": precision,
                    "threads": options.threads,
                }
            ),
            latency=LatencySettings(budget_ms=options.budget_ms),
        )


@contextlib.contextmanager
def _shared(clip: Clip) -> Iterator[str]:
    """The clip's frames in shared memory; gives its name."""
    memory = shared_memory.SharedMemory(create=True, size=clip.frames.nbytes)
    try:
        view: Any = np.ndarray(clip.frames.shape, np.uint8, memory.buf)
        np.copyto(view, clip.frames)
        del view
        yield memory.name
    finally:
        memory.close()
        memory.unlink()


def _serve(request: Request) -> Iterator[dict[str, Any]]:
    """Messages of a worker; its errors go where ours go."""
    command = [sys.executable, "-m", "agent.commands.bench.worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            return
        try:
            process.stdin.write(json.dumps(asdict(request)))
            process.stdin.close()
            for line in process.stdout:
                if line.startswith("{"):
                    yield json.loads(line)
        finally:
            process.kill()


@contextlib.contextmanager
def _burning(count: int) -> Iterator[None]:
    """Neighbours that want all of a core."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
