"""The course of a tally: pause the service, count, compare, write if wanted, and put everything back."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from agent.commands.tally.compare import Comparison, compare
from agent.commands.tally.keys import Keys, signals_told
from agent.commands.tally.report import lines
from agent.commands.tally.service import paused_service
from agent.commands.tally.session import LOOK_S, Counted, Session
from agent.commands.tally.writing import write_measured
from agent.errors import printable
from agent.host import harden, load_opencv
from agent.inference import choose_networks
from agent.settings import MeasuredCount

if TYPE_CHECKING:
    from agent.settings import AgentSettings

SERVICE_STATE: Final = Path("/var/lib/emotion-agent")
"""Where the service remembers which backend is fastest here; it is only read."""
ANSWER_S: Final = 60.0
"""The service waits while the question does."""
NO_PICTURE: Final = "No picture came in which anything can be seen: nothing was compared."
NOT_WRITTEN: Final = (
    "Nothing to write: fewer people than {} (privacy.min_count), of whom the ratio could tell, or none seen."
)
HOW: Final = (
    "Press a key for each person as the face comes into view, any key; backspace takes one back, q ends.",
    "The agent's own count is shown at the end only, so that it doesn't lead yours.",
    "Both counts stay in memory: nothing is stored, nothing is published, and no broker is needed.",
)


def run_tally(settings: AgentSettings, config: Path, *, limit_s: float, write: bool | None) -> int:
    """Count one source beside somebody.

    Args:
        settings: With that source alone.
        config: Where the outcome may be written.
        limit_s: Longest time to count.
        write: None asks.

    Returns:
        0, or the signal by which it was given up.

    Raises:
        AgentError: No terminal, no camera, no network, or a service that can't be paused or started again.
    """
    harden()
    load_opencv()
    quiet = logging.getLogger("agent")
    with ExitStack() as stack:
        stopped = stack.enter_context(signals_told())
        keys = stack.enter_context(Keys())
        # Log lines would tear the view; what matters of them is shown there.
        stack.callback(quiet.setLevel, quiet.level)
        quiet.setLevel(max(logging.ERROR, quiet.level))
        stack.enter_context(paused_service(typer.echo))
        counted = _count(settings, keys, limit_s, stopped)
        if counted is not None:
            _conclude(counted, settings, config, keys, stopped, write=write)
        else:
            typer.echo("Given up: nothing was compared." if stopped() else NO_PICTURE)
    return stopped()


def _count(settings: AgentSettings, keys: Keys, limit_s: float, stopped: Callable[[], int]) -> Counted | None:
    typer.echo("\n".join(HOW))
    show("getting the networks ready")
    networks, _ = choose_networks(settings, settings.state.directory or SERVICE_STATE, keep=False)
    try:
        return Session(networks, settings, keys, show).count(limit_s, stopped)
    finally:
        networks.close()
        show("")


def _conclude(
    counted: Counted,
    settings: AgentSettings,
    config: Path,
    keys: Keys,
    stopped: Callable[[], int],
    *,
    write: bool | None,
) -> None:
    """Tell what came of it, and write it while the service is still to start, so that it tells it at once."""
    scene = counted.scene
    found = compare(counted.presses_s, [track.began_s for track in scene.tracks], scene.seconds)
    typer.echo("\n".join(lines(found, scene)))
    (name,) = settings.sources
    if found is None or write is False:
        return
    if found.by_hand < settings.privacy.min_count or round(found.ratio, 2) == 0.0:
        typer.echo(NOT_WRITTEN.format(settings.privacy.min_count))
    elif write or _agreed(config, keys, stopped):
        _write(config, name, found)


def _write(config: Path, name: str, found: Comparison) -> None:
    measured = MeasuredCount(
        count_ratio=round(found.ratio, 2),
        count_ratio_low=round(found.low, 2),
        count_ratio_high=round(found.high, 2),
        counted_on=datetime.now().astimezone().date(),
    )
    write_measured(config, name, measured)
    typer.echo(
        f"Written into {config}, table [sources.{name}.measured]; birth tells it from the next start on."
    )


def _agreed(config: Path, keys: Keys, stopped: Callable[[], int]) -> bool:
    typer.echo(f"Write this ratio into {config}? y or n, within {ANSWER_S:.0f} s: ")
    for _ in range(round(ANSWER_S / LOOK_S)):
        for key in keys.read(LOOK_S):
            if key in "yYnN":
                return key in "yY"
        if stopped():
            break
    return False


def show(line: str) -> None:
    """Put a line where the last one was, as far as there is a screen."""
    if sys.stdout.isatty():
        room = shutil.get_terminal_size().columns - 1
        sys.stdout.write(f"\r{printable(line)[:room]}\x1b[K")
        sys.stdout.flush()
