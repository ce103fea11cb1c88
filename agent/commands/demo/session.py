"""Runs the demo from broker to summary."""

from __future__ import annotations

import logging
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.live import Live

from agent.commands.demo.broker import EmbeddedBroker
from agent.commands.demo.table import Arrivals
from agent.daemon import Daemon
from agent.fleet import Reader
from agent.inference.backends import precision_order
from agent.settings import (
    NO_CLASSIFIER,
    AgentSettings,
    DeploymentSettings,
    HealthSettings,
    ModelsSettings,
    MqttSettings,
    OpenCvSource,
    PrivacySettings,
    ReplaySource,
    SourceSettings,
    StateSettings,
)
from agent.synthetic import write_clip

WINDOW_S: Final = 5.0
_REFRESH_S: Final = 0.25
_GOODBYE_S: Final = 2.0
"""For the last message to come through the broker."""

_OPENING: Final = (
    "No frame leaves this process, and none is stored: only counts travel, through a broker on 127.0.0.1."
)
_POLICY: Final = (
    "Demo policy: windows of 5 s and min_count = 1, so single people show;"
    " a real installation publishes windows of 300 s with at least 5 people."
)


def run_demo(*, camera: str | None, video: Path | None, duration_s: float, people_only: bool = False) -> int:
    """Show the whole path at work; without a camera or video, on a generated clip.

    Args:
        camera: What ``sources.*.device`` takes: an index, a path or a URL.
        video: A video file or a folder of images.
        duration_s: How long to run with a camera, and length of the generated clip.
        people_only: Infer no expression.

    Returns:
        Windows that arrived through MQTT.

    Raises:
        AgentError: Whatever stops the agent itself.
    """
    console = Console()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="emotion-agent-demo-")))
        source = _source(camera, video, folder, duration_s, console)
        console.print(_OPENING, _POLICY, sep="\n", style="dim")
        broker = stack.enter_context(EmbeddedBroker())
        settings = _settings(source, broker.port, folder, people_only=people_only)
        arrivals = Arrivals(settings.mqtt.root)
        stack.enter_context(Reader(settings.mqtt, name="demo").reading(arrivals.take))
        limit_s = duration_s if camera is not None else None
        _show(Daemon(settings), arrivals, console, limit_s)
        arrivals.gone.wait(_GOODBYE_S)
    _summarise(arrivals, console)
    return arrivals.received


def _source(
    camera: str | None, video: Path | None, folder: Path, duration_s: float, console: Console
) -> SourceSettings:
    if camera is not None:
        return OpenCvSource(type="opencv", device=int(camera) if camera.isdigit() else camera)
    if video is not None:
        return ReplaySource(type="replay", path=video)
    console.print("Drawing a clip from a public-domain portrait …", style="dim")
    clip = folder / "clip.avi"
    write_clip(clip, duration_s)
    return ReplaySource(type="replay", path=clip)


def _settings(source: SourceSettings, port: int, folder: Path, *, people_only: bool) -> AgentSettings:
    # What the processor's instructions suggest: trying all backends would keep the viewer waiting.
    models = ModelsSettings(backend="onnxruntime", precision=precision_order()[0])
    if people_only:
        models = models.model_copy(update={"classifier": NO_CLASSIFIER})
    return AgentSettings(
        deployment=DeploymentSettings(site="demo", device="this-machine", context="demo"),
        sources={"clip": source},
        models=models,
        privacy=PrivacySettings(window_s=WINDOW_S, min_count=1, acknowledge_individual_counts=True),
        mqtt=MqttSettings(host="127.0.0.1", port=port, protocol="3.1.1"),
        health=HealthSettings(interval_s=2.0),
        state=StateSettings(directory=folder / "state"),
    )


def _show(daemon: Daemon, arrivals: Arrivals, console: Console, limit_s: float | None) -> None:
    """Run the agent beside a live table until it ends, the limit passes, or Ctrl-C."""
    finished = threading.Event()
    # Log lines would tear the table; what matters of them is in the headline.
    log = logging.getLogger("agent")
    level = log.level
    log.setLevel(logging.ERROR)
    timer = threading.Timer(threading.TIMEOUT_MAX if limit_s is None else limit_s, daemon.stop)
    timer.start()
    with ExitStack() as stack:
        stack.callback(log.setLevel, level)
        pool = stack.enter_context(ThreadPoolExecutor(1, "agent"))
        run = pool.submit(daemon.run)
        run.add_done_callback(lambda _: finished.set())
        try:
            with suppress(KeyboardInterrupt):
                _draw(arrivals, console, finished)
        finally:
            timer.cancel()
            daemon.stop()
    run.result()


def _draw(arrivals: Arrivals, console: Console, finished: threading.Event) -> None:
    """A table that redraws itself on a terminal, one line a window elsewhere."""
    if console.is_terminal:
        with Live(arrivals.render(), console=console, refresh_per_second=4, transient=False) as live:
            while not finished.wait(_REFRESH_S):
                live.update(arrivals.render())
            live.update(arrivals.render())
        return
    shown, ended = 0, False
    while not ended:
        ended = finished.wait(_REFRESH_S)
        for line in arrivals.lines(shown):
            console.print(line, soft_wrap=True, highlight=False)
            shown += 1


def _summarise(arrivals: Arrivals, console: Console) -> None:
    votes = ", ".join(f"{label} {count}" for label, count in arrivals.totals.items() if count)
    told = f"votes: {votes or 'none'}" if arrivals.expressions else "of people only"
    console.print(
        f"\n{arrivals.received} windows arrived through MQTT; {told}. The agent is {arrivals.availability}.",
        highlight=False,
    )
