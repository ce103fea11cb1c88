"""Where the agent may keep what has to outlive it."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.settings import AgentSettings
logger = logging.getLogger(__name__)


def state_directory(settings: AgentSettings) -> Path | None:
    """The folder for the queue of unsent windows, made if need be; None where nothing can be kept."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    folder = settings.state.directory or Path(given or Path(home) / "emotion-agent")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        logger.warning("state.directory %s can't be made (%s); unsent windows wait in memory", folder, error)
        return None
    return folder
