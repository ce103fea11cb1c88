"""Runs the measurements one after the other and shows how far they are."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from agent.commands.bench.children import Measured, burning, measure, shared
from agent.commands.bench.figures import BenchOptions, Figures
from agent.commands.bench.measured import Played, Request, Several, Still
from agent.commands.bench.table import print_figures
from agent.errors import AgentError
from agent.inference.bundle import open_bundle
from agent.inference.choice import Choice, TrialOptions, make_choice
from agent.settings import AgentSettings, DeploymentSettings, LatencySettings, ModelsSettings, ReplaySource
from agent.synthetic import Clip, draw_crowd, empty_room

_PROBE_S: Final = 1.5
_STEP: Final = 100.0
_FOR_MODELS: Final = ("bundle", "trusted_keys", "allow_unsigned", "threads")
"""Options that are settings of the same name."""


def run_bench(options: BenchOptions, *, as_json: bool = False, console: Console | None = None) -> None:
    """Measure and print.

    Args:
        options: What to measure.
        as_json: One JSON object on stdout instead of tables; progress goes to stderr then.
        console: To print on; stdout by default.

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


class _Bench:
    """One run; the folder stands for a device's state directory."""

    def __init__(self, options: BenchOptions, folder: Path, progress: Progress) -> None:
        self._options = options
        self._folder = folder
        self._progress = progress

    def run(self) -> Figures:
        """All measurements, one after the other."""
        options, one = self._options, draw_crowd(1)
        settings = self._settings(options.backend, options.precision)
        choice = self._choice(settings)
        baseline = soak = None
        with burning(options.burners):
            pipeline = {str(count): self._faces(settings, count) for count in options.faces}
            if "1" in pipeline:
                plain = self._settings("onnxruntime", "fp32")
                baseline = self._measure("1 face, ONNX Runtime FP32", Played, plain, one, fps=None)
            if frames := options.soak_frames:
                soak = self._measure(f"soak, {frames} frames", Played, settings, one, fps=None, frames=frames)
            seconds = options.still_s
            still = self._measure(
                "empty room", Still, settings, empty_room(), fps=options.fps, seconds=seconds, still=True
            )
            several = self._several(settings, one) if options.sources else {}
        return Figures(choice, pipeline, baseline, soak, still, several, options)

    def _choice(self, settings: AgentSettings) -> Choice:
        """Every candidate tried; what is chosen is kept for the workers."""
        bundle = open_bundle(settings.models)
        with self._task("candidates") as task:
            trying = TrialOptions(
                seconds=_PROBE_S, report=lambda _trial: self._progress.advance(task, _STEP / 20)
            )
            return make_choice(bundle, settings.models, self._folder, self._options.budget_ms, options=trying)

    def _faces(self, settings: AgentSettings, count: int) -> Played:
        """Latency at the camera's pace; rate and shares of the stages without waiting for it."""
        clip = draw_crowd(count)
        name = f"{count} face{'s' if count > 1 else ''}"
        free = self._measure(f"{name}, unpaced", Played, settings, clip, fps=None)
        fps = self._options.fps
        if fps is None:
            return free
        return free.at_pace(self._measure(f"{name}, {fps:g} fps", Played, settings, clip, fps=fps))

    def _several(self, settings: AgentSettings, clip: Clip) -> dict[str, Several]:
        """Sources at once, at the camera's pace and at one that no pipeline keeps up with."""
        count = self._options.sources
        return {
            load: self._measure(f"{count} sources, {load}", Several, settings, clip, fps=fps, sources=count)
            for load, fps in (("paced", self._options.fps), ("overloaded", None))
        }

    def _measure(
        self,
        name: str,
        kind: type[Measured],
        settings: AgentSettings,
        clip: Clip,
        *,
        fps: float | None,
        seconds: float | None = None,
        frames: int | None = None,
        still: bool = False,
        sources: int = 0,
    ) -> Measured:
        own_seconds = self._options.seconds if fps is not None else min(self._options.seconds, 5.0)
        with self._task(name) as task, shared(clip) as memory:
            request = Request(
                settings=settings,
                state_dir=self._folder,
                memory=memory,
                shape=clip.frames.shape,
                spawned_s=time.monotonic(),
                fps=fps,
                seconds=own_seconds if seconds is None else seconds,
                frames=frames,
                still=still,
                sources=sources,
            )
            measured = measure(
                request, kind, lambda share: self._progress.update(task, completed=_STEP * share)
            )
        if measured is None:
            raise AgentError(f"the measured process ended without a result ({name}): run it with --verbose")
        return measured

    @contextlib.contextmanager
    def _task(self, name: str) -> Iterator[TaskID]:
        task = self._progress.add_task(name, total=_STEP)
        try:
            yield task
        finally:
            self._progress.remove_task(task)

    def _settings(self, backend: str, precision: str) -> AgentSettings:
        options = self._options
        same = {name: getattr(options, name) for name in _FOR_MODELS}
        return AgentSettings(
            deployment=DeploymentSettings(site="bench", device="this-machine", context="demo"),
            sources={"bench": ReplaySource(type="replay", path=self._folder)},
            models=ModelsSettings.model_validate({**same, "backend": backend, "precision": precision}),
            latency=LatencySettings(budget_ms=options.budget_ms),
        )
