"""What stages are given by whoever puts them together."""

from __future__ import annotations

import numpy as np
import pytest

from agent.assembly import build_aggregator
from agent.domain import CrossingsWindow, EmotionWindow, PeopleWindow, Window
from agent.settings import AgentSettings
from agent.source.picture.motion_gate import MotionGate

DICE = np.random.default_rng(5)
ROOM = DICE.integers(40, 200, (12, 16, 3)).repeat(20, 0).repeat(20, 1).astype(np.uint8)
FPS = 5.0
WINDOW_S = 60.0


@pytest.mark.parametrize(
    ("source", "models", "kind"),
    [
        ({}, {}, EmotionWindow),
        ({}, {"classifier": "none"}, PeopleWindow),
        ({"counting": "line", "line": [0, 0.5, 1, 0.5]}, {}, CrossingsWindow),
        ({"counting": "line", "line": [0, 0.5, 1, 0.5]}, {"classifier": "none"}, CrossingsWindow),
    ],
)
def test_a_source_counts_what_its_table_and_the_networks_say(
    source: dict[str, object], models: dict[str, object], kind: type[Window]
) -> None:
    settings = AgentSettings.model_validate(
        {
            "deployment": {"site": "museum", "device": "door-1", "context": "retail"},
            "sources": {"hall": {"type": "opencv", "device": 0, **source}},
            "models": models,
        }
    )
    (window,) = build_aggregator("hall", settings, 0.0).close_due(300.0)
    assert type(window) is kind
    assert (window.source, window.closed_at_s) == ("hall", 300.0)


@pytest.mark.parametrize("idle_interval_ms", [0.0, 500.0, 2_500.0, 10_000.0])
@pytest.mark.parametrize("delivered_s", [24.0, WINDOW_S])
def test_a_still_scene_is_covered_like_a_lively_one(idle_interval_ms: float, delivered_s: float) -> None:
    """Else the coverage of a suppressed window would tell whether somebody moved."""

    def coverage(*, lively: bool) -> float:
        camera = {"type": "opencv", "device": 0, "idle_interval_ms": idle_interval_ms}
        settings = AgentSettings.model_validate(
            {
                "deployment": {"site": "museum", "device": "door-1", "context": "retail"},
                "sources": {"hall": camera},
                "privacy": {"window_s": WINDOW_S},
            }
        )
        gate = MotionGate(idle_interval_ms / 1000.0) if idle_interval_ms else None
        counting = build_aggregator("hall", settings, 0.0)
        for number in range(int(delivered_s * FPS)):
            pixels = np.roll(ROOM, 9 * number, 1) if lively else ROOM
            if gate is None or gate.admits(pixels, number / FPS):
                counting.frame_seen(number / FPS)
        return counting.close_due(WINDOW_S)[0].coverage

    # A camera that dies is missed when the next look is due: up to an interval later where nothing moved.
    apart = 0.0 if delivered_s == WINDOW_S else idle_interval_ms / 1000.0 / WINDOW_S
    assert coverage(lively=True) == pytest.approx(coverage(lively=False), abs=apart + 1e-9)
