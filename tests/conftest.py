"""Settings for all tests."""

from __future__ import annotations

import os

from hypothesis import settings

from tests.support.places import BUNDLE

# No deadline: a busy machine is slow, not wrong. Repeatable: the same commit always sees the same examples.
settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")

# Between a rebuild of the bundle and its signature one test fails (test_trust), not every run of an agent.
if not (BUNDLE / "manifest.toml.sig").exists():
    os.environ["EMOTION_AGENT_MODELS__ALLOW_UNSIGNED"] = "true"
