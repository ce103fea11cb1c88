"""The scenes in which people are counted, and what the camera does to each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agent.domain import Box
from models.data import Portrait
from models.evaluation.walks import movements
from models.evaluation.walks.actors import HEIGHT_PX, Actor
from models.evaluation.walks.stage import Stage


@dataclass(frozen=True, slots=True)
class Camera:
    """How the scene is seen."""

    fps: float = 12.0
    detection_ms: float = 0.0
    """What one detection takes of the agent's time: a slow box skips some."""
    jpeg_quality: int | None = None
    dims_every_s: float | None = None
    """The light goes down to a fifth and up again in turn."""
    shaken: bool = False


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scene."""

    says: str
    """For the table."""
    people: Callable[[Stage], None]
    camera: Camera = Camera()
    pillars: tuple[Box, ...] = ()
    per_person_s: float = 4.0
    """Length of the scene by the people it is to show, roughly."""
    still_s: float | None = None
    """Its length where that does not depend on how many come."""


_PILLAR: Final = Box(290.0, 0.0, 372.0, float(HEIGHT_PX))

SCENARIOS: Final[Mapping[str, Scenario]] = {
    "sparse": Scenario("one or two in view", movements.sparse),
    "busy": Scenario("seven in view at any depth", movements.busy, per_person_s=0.9),
    "opposite lanes": Scenario("two lanes, one before the other", movements.opposite_lanes, per_person_s=0.9),
    "same lane": Scenario("one lane, fast ones overtake", movements.same_lane, per_person_s=1.1),
    "queue": Scenario("six who move up", movements.queue, per_person_s=5.0),
    "pillar": Scenario("a pillar amid the picture", movements.even, pillars=(_PILLAR,), per_person_s=1.8),
    "groups": Scenario("three to five come, stay and go", movements.groups, per_person_s=11.0),
    "turning": Scenario("look away for up to four seconds", movements.turners, per_person_s=5.0),
    "re-entry": Scenario("step out for up to three seconds", movements.returners, per_person_s=6.0),
    "approaching": Scenario("from far away to close by", movements.approaching, per_person_s=2.5),
    "posters": Scenario("three pictures on the wall", movements.posters, still_s=1_200.0),
    "prints": Scenario("every third wears a face", movements.printed, per_person_s=3.0),
    "sleeper": Scenario("one who hardly moves for 20 minutes", movements.sleeper, still_s=1_200.0),
    "light": Scenario("lamps go down and up", movements.even, Camera(dims_every_s=20.0), per_person_s=1.8),
    "shaken": Scenario(
        "the camera trembles and is knocked", movements.even, Camera(shaken=True), per_person_s=1.8
    ),
    "jpeg": Scenario("JPEG of quality 60", movements.even, Camera(jpeg_quality=60), per_person_s=1.8),
    "3 fps": Scenario("three frames a second", movements.even, Camera(fps=3.0), per_person_s=1.8),
    "5 fps": Scenario("five frames a second", movements.even, Camera(fps=5.0), per_person_s=1.8),
    "8 fps": Scenario("eight frames a second", movements.even, Camera(fps=8.0), per_person_s=1.8),
    "15 fps": Scenario("fifteen frames a second", movements.even, Camera(fps=15.0), per_person_s=1.8),
    "slow box": Scenario(
        "detection takes 160 ms", movements.even, Camera(detection_ms=160.0), per_person_s=1.8
    ),
    "crowd": Scenario("one to thirty in view", movements.crowd, per_person_s=12.0),
}


def stage_scenario(
    scenario: Scenario, cast: Sequence[Portrait], people: int, seed: int
) -> tuple[list[Actor], float]:
    """The actors of one scene that shows about so many people, and its length in seconds."""
    duration_s = scenario.still_s or people * scenario.per_person_s
    stage = Stage(cast, duration_s, seed)
    scenario.people(stage)
    return stage.actors, duration_s
