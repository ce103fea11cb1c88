"""Settings for all tests."""

from __future__ import annotations

from hypothesis import settings

# No deadline: a busy machine is slow, not wrong. Repeatable: the same commit always sees the same examples.
settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")
