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
    given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    home = os.environ.get("XDG_STATE_HOME")
    try:
        fallback = given or Path(home or Path.home() / ".local" / "state") / "emotion-agent"
        folder = settings.state.directory or Path(fallback)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, ValueError, RuntimeError) as error:  # the last: a user without a home
        logger.warning("state.directory can't be made (%s); unsent windows wait in memory", error)
        return None
    return folder
