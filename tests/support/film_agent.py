"""The agent on the time of a film: ``python -m tests.support.film_agent run --config CONFIG``.

Each picture takes a twelfth of a second, however long the machine takes for it, and none is left out: replays
need ``realtime = false``. The film begins when there is a file ``begin`` beside the configuration, and ends
when there is none called ``hold``.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from agent import daemon as daemon_module
from agent.cli import main
from agent.commands.tally import session as tally_module
from agent.errors import SourceEnded
from agent.source import recordings
from agent.source.recordings.replay import ReplayCamera
from agent.synthetic.visits import FPS
from tests.support.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from agent.frame import Frame

BEGIN = "begin"
HOLD = "hold"
_LOOK_S = 1e-4
"""So that whatever lies between two looks has taken some time."""


class FilmTime:
    """Monotonic seconds that pass by pictures, and by a trifle with each look."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._pictures = 0
        self._looks = 0

    def __call__(self) -> float:
        self._looks += 1
        return self._began_s + self._pictures / FPS + self._looks * _LOOK_S

    def pass_a_picture(self) -> None:
        """Called by the camera's thread alone."""
        self._pictures += 1


TIME = FilmTime()


class FilmCamera(ReplayCamera):
    """A replay whose pictures make the time pass."""

    def open(self) -> None:
        """Wait for the beginning."""
        wait_until((Path(sys.argv[-1]).parent / BEGIN).exists, "the film to begin")
        self._clock = TIME
        super().open()

    def read(self) -> Frame:
        """Be a picture later."""
        TIME.pass_a_picture()
        try:
            return super().read()
        except SourceEnded:
            hold = Path(sys.argv[-1]).parent / HOLD
            wait_until(lambda: not hold.exists(), "the film to end")
            raise


if __name__ == "__main__":
    recordings.ReplayCamera = FilmCamera  # type: ignore[misc]
    for module in (daemon_module, tally_module):
        module.time = SimpleNamespace(monotonic=TIME)  # type: ignore[attr-defined]
    daemon_module._FLUSH_S = DEADLINE_S  # type: ignore[misc]
    main()
