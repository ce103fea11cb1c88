"""Which markers a test carries, and which file is run first."""

from __future__ import annotations

import os
from collections import defaultdict
from typing import Final

import pytest

BY_FIXTURE: Final = {"broker": "broker", "lab": "slow", "other_lab": "slow"}
"""Whoever asks for the fixture carries the marker."""
_SECONDS: Final = {"train": 5.0, "camera": 3.0, "broker": 2.0, "slow": 2.0}
"""Roughly, of one test with the marker; one without any takes next to nothing."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Add the markers that follow from fixtures; files of long tests come first, lest one is left over."""
    length_s: defaultdict[os.PathLike[str], float] = defaultdict(float)
    for item in items:
        for fixture in BY_FIXTURE.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(BY_FIXTURE[fixture])
        lengths_s = (_SECONDS.get(marker.name, 0.0) for marker in item.iter_markers())
        length_s[item.path] += max(lengths_s, default=0.0)
    items.sort(key=lambda item: -length_s[item.path])


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: some tests wait for time to pass."""
    return (os.cpu_count() or 1) + 1
