"""A virtual device for ``simulate``: believable windows without a camera."""

from __future__ import annotations

from random import Random
from typing import Final

from agent import __version__
from agent.contract import (
    BirthMessage,
    BirthModels,
    BirthPolicy,
    CameraHealth,
    HealthMessage,
    LatencyQuantiles,
    ModelIdentity,
)
from agent.domain import LABELS, UNKNOWN, Disclosure, EmotionWindow

_MIN_COUNT: Final = 5
_MOST_PEOPLE: Final = 60
_MEAN_PEOPLE: Final = 14.0
_WEIGHTS: Final = dict(zip(LABELS, (50, 25, 5, 5, 4, 1, 1, 1, 8), strict=True))
"""Roughly how often each label is seen in public places; only sizes of payloads depend on it."""


class VirtualDevice:
    """One device with one camera; the same randomness gives the same windows."""

    def __init__(self, name: str, randomness: Random) -> None:
        self.name = name
        self._randomness = randomness

    def window(self, seq: int, closed_at_s: float, window_s: float) -> tuple[EmotionWindow, Disclosure]:
        """The window that closes now, and what the policy lets out of it."""
        people = min(_MOST_PEOPLE, int(self._randomness.expovariate(1.0 / _MEAN_PEOPLE)))
        votes = self._randomness.choices(list(_WEIGHTS), list(_WEIGHTS.values()), k=people)
        counts = {label: votes.count(label) for label in LABELS}
        window = EmotionWindow(self.name, seq, closed_at_s - window_s, closed_at_s, 1.0, counts)
        if people < _MIN_COUNT:
            return window, Disclosure(suppressed=True, people=None, counts=None)
        return window, Disclosure(suppressed=False, people=people, counts=counts)

    def greeting(self, session_id: str, window_s: float) -> dict[str, bytes]:
        """The retained messages by last topic level."""
        network = ModelIdentity(id="simulated", sha256="0" * 64, precision="int8_u8s8")
        birth = BirthMessage(
            session_id=session_id,
            agent=__version__,
            models=BirthModels(detector=network, classifier=network),
            backend="simulated",
            policy=BirthPolicy(window_s=window_s, min_count=_MIN_COUNT),
            sources=("camera",),
        )
        p99_ms = round(20.0 + 10.0 * self._randomness.random(), 1)
        camera = CameraHealth(state="delivering")
        health = HealthMessage(
            state="ok",
            uptime_s=1.0,
            rss_mb=95.0,
            cpu_temp_c=round(45.0 + 10.0 * self._randomness.random(), 1),
            throttled=False,
            fps=10.0,
            latency_ms=LatencyQuantiles(p50=15.1, p95=19.3, p99=p99_ms),
            budget_ms=100.0,
            tier=UNKNOWN,
            camera=camera,
            cameras={"camera": camera},
            clock_synced=True,
        )
        return {"availability": b"online", "birth": birth.payload(), "health": health.payload()}
