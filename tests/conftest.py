"""Settings for all tests."""

from __future__ import annotations

import logging

import pytest
from hypothesis import settings

# No deadline: a busy machine is slow, not wrong. Repeatable: the same commit always sees the same examples.
settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")


@pytest.fixture(autouse=True)
def _logging_as_installed() -> None:
    """Every test starts with loggers as they are after an import, whatever was done to them before."""
    logging.disable(logging.NOTSET)
    logging.root.setLevel(logging.WARNING)
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] != "agent":
            continue
        logger = logging.getLogger(name)
        logger.disabled = False
        logger.propagate = True
        logger.setLevel(logging.NOTSET)
