"""What to change at a site, as far as it follows from what was seen: one sentence each, with its figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Final

from agent.commands.tally.scene import RESUMED_WITHIN_S, SHORT_S

if TYPE_CHECKING:
    from agent.commands.tally.scene import Scene

FEWEST_LOOKS_PER_S: Final = 8.0
"""At 5 a second .82 tracks a person were measured on generated walks; a camera usually has 15."""
SMALLEST_FACE_PX: Final = 24.0
"""At the detector's input; lower faces are found less surely (README, "The networks")."""
KEEPS_UP: Final = 0.8
_AWAY_S: Final = 1.0
_TELLING: Final = 0.2
"""Share of the tracks from which on something is no chance."""
_FEWEST: Final = 2
_LONG_S: Final = 60.0
"""So long nobody keeps still but who sits there, and pictures."""


def advice(scene: Scene) -> list[str]:
    """Sentences, the gravest first; none where nothing stands out."""
    looks: tuple[Callable[[Scene], Iterator[str]], ...] = (
        _away,
        _rate,
        _height,
        _zones,
        _lost,
        _short,
        _doubtful,
        _still,
    )
    return list(chain.from_iterable(look(scene) for look in looks))


def _away(scene: Scene) -> Iterator[str]:
    if scene.away_s >= _AWAY_S:
        yield (
            f"The camera was away for {scene.away_s:.0f} of {scene.seconds:.0f} s, in which nobody counts:"
            f" see emotion-agent doctor, and count again."
        )


def _rate(scene: Scene) -> Iterator[str]:
    rate = scene.looks_per_s
    if rate is None or rate >= FEWEST_LOOKS_PER_S:
        return
    found = f"Moving faces were looked for {rate:.1f} times a second, and {FEWEST_LOOKS_PER_S:.0f} are needed"
    if scene.kept_up < KEEPS_UP:
        yield (
            f"{found}: this box keeps up with {scene.kept_up:.0%} of the frames; choose a smaller"
            f" models.detector, or give it fewer cameras."
        )
    else:
        yield f"{found}: raise sources.{scene.source}.fps, or give more light, which lets a camera be faster."


def _height(scene: Scene) -> Iterator[str]:
    if scene.height_px is not None and scene.height_px < SMALLEST_FACE_PX:
        yield (
            f"Faces were {scene.height_px:.0f} px high where the network looks (median), and"
            f" {SMALLEST_FACE_PX:.0f} are needed: mount the camera nearer, take a narrower lens, or a"
            f" models.detector with a larger input."
        )


def _zones(scene: Scene) -> Iterator[str]:
    if _tells(cut := len(scene.cut), scene):
        yield (
            f"{_of(cut, scene)} began or ended at an exclusion zone: draw"
            f" sources.{scene.source}.exclusion_zones so that they don't cut the way people take."
        )


def _lost(scene: Scene) -> Iterator[str]:
    if _tells(lost := len(scene.lost), scene):
        yield (
            f"{_of(lost, scene)} ended amid the picture, {scene.resumed} of them with another beginning near"
            f" by within {RESUMED_WITHIN_S:.0f} s: mount the camera where nothing hides faces, and where"
            f" people don't turn away before they leave the picture."
        )


def _short(scene: Scene) -> Iterator[str]:
    if not _tells(len(scene.short), scene):
        return
    at_edge = sum(scene.at_edge(track.first) and scene.at_edge(track.last) for track in scene.short)
    found = f"{_of(len(scene.short), scene)} lasted less than {SHORT_S:.0f} s"
    if 2 * at_edge > len(scene.short):
        yield f"{found}, {at_edge} of them at the edge: turn the camera so that people cross the middle."
    else:
        yield f"{found}: let the camera look along the way people come, so that they are in view for longer."


def _doubtful(scene: Scene) -> Iterator[str]:
    if scene.doubtful >= max(_FEWEST, _TELLING * len(scene.tracks)):
        yield (
            f"{scene.doubtful} faces were seen, and not surely or long enough to count, beside"
            f" {len(scene.tracks)} that were counted: see to light and focus before you lower"
            f" tracker.confirm_score."
        )


def _still(scene: Scene) -> Iterator[str]:
    if scene.seconds >= _LONG_S and (still := len(scene.still)):
        yield (
            f"{still} of {len(scene.tracks)} faces were in one place all the time: if those are pictures,"
            f" cover them by sources.{scene.source}.exclusion_zones; by themselves they cease to count only"
            f" after five minutes."
        )


def _tells(some: int, scene: Scene) -> bool:
    return some >= max(_FEWEST, _TELLING * len(scene.ended))


def _of(some: int, scene: Scene) -> str:
    return f"{some} of {len(scene.ended)} tracks"
