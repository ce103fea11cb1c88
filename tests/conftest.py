"""Settings for all tests: a home of their own, one thread each, and the plug-ins of ``tests/support``."""

from __future__ import annotations

import os
import shutil
import tempfile

from hypothesis import HealthCheck, settings

from tests.support.places import BUNDLE

pytest_plugins = [
    "tests.support.backend_fixtures",
    "tests.support.certificates",
    "tests.support.clips",
    "tests.support.guards",
    "tests.support.marking",
    "tests.support.mosquitto_fixtures",
]

# Before NumPy, OpenCV, torch or a runtime is loaded, here and in every child process: where several processes
# have a thread per core each, all wait for all, and a small training takes eight times as long.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

# What lies in the user's home or stands in the user's environment must not decide a test.
for name in [name for name in os.environ if name.startswith(("XDG_", "EMOTION_AGENT_"))]:
    del os.environ[name]
os.environ["HOME"] = tempfile.mkdtemp(prefix="emotion-agent-home-")

# No deadline: a busy machine is slow, not wrong. Repeatable: the same commit always sees the same examples.
settings.register_profile(
    "house", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
# `make quick` tries a quarter of the examples; what a test asks for by name it gets in either.
settings.register_profile("quick", settings.get_profile("house"), max_examples=25)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "house"))

# Between a rebuild of the bundle and its signature one test fails (test_trust), not every run of an agent.
if not (BUNDLE / "manifest.toml.sig").exists():
    os.environ["EMOTION_AGENT_MODELS__ALLOW_UNSIGNED"] = "true"


def pytest_unconfigure() -> None:
    """Take the home away again."""
    shutil.rmtree(os.environ["HOME"], ignore_errors=True)
