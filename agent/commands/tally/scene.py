"""What was seen while both counted, as far as advice follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Final

from agent.commands.tally.sightings import Sighting, apart_px
from agent.domain import Box

if TYPE_CHECKING:
    from agent.settings import Polygon

SHORT_S: Final = 1.0
"""A track of less leaves no room for a bad look."""
RESUMED_WITHIN_S: Final = 5.0
_RESUMED_HEIGHTS: Final = 3.0
_EDGE_WIDTHS: Final = 0.5
"""A face nearer to the picture's edge than this is on its way in or out."""
_ZONE_WIDTHS: Final = 0.5
_ONGOING_S: Final = 1.5
"""What was seen so shortly before the end has not ended."""
_ALL_THE_TIME: Final = 0.8
_STAYED_HEIGHTS: Final = 0.5
_RASTER: Final = 5
"""Points across a box at which it is looked for in a zone."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Figures of one tally; times in seconds from its start."""

    source: str
    seconds: float
    away_s: float
    """How long the camera did not deliver."""
    frame_px: tuple[int, int]
    """Width and height."""
    input_px_per_px: float
    """How much a frame shrinks on its way into the detector."""
    zones: tuple[Polygon, ...]
    """Exclusion zones, in shares of width and height."""
    tracks: tuple[Sighting, ...]
    """Those that were counted."""
    doubtful: int
    """Faces seen more than once and never surely or long enough to count."""
    looks_per_s: float | None
    """While a face moved; None where none did."""
    kept_up: float
    """Share in [0, 1] of the delivered frames in which faces were looked for."""

    @property
    def height_px(self) -> float | None:
        """Median height of a face at the detector's input; None where none was seen."""
        heights_px = [median(track.heights_px) for track in self.tracks]
        return self.input_px_per_px * median(heights_px) if heights_px else None

    @property
    def ended(self) -> list[Sighting]:
        """Tracks that ended while people were counted, in order."""
        over = [track for track in self.tracks if track.ended_s < self.seconds - _ONGOING_S]
        return sorted(over, key=lambda track: track.ended_s)

    @property
    def short(self) -> list[Sighting]:
        """Tracks that were in view for less than ``SHORT_S``."""
        return [track for track in self.ended if track.ended_s - track.began_s < SHORT_S]

    @property
    def cut(self) -> list[Sighting]:
        """Tracks that began or ended at an exclusion zone."""
        return [track for track in self.ended if any(map(self.at_zone, (track.first, track.last)))]

    @property
    def lost(self) -> list[Sighting]:
        """Tracks that ended amid the picture: neither at its edge nor at a zone."""
        return [track for track in self.ended if self._amid(track.last)]

    @property
    def still(self) -> list[Sighting]:
        """Tracks that were there nearly all the time, and never left their place."""
        long = [
            track for track in self.tracks if track.ended_s - track.began_s > _ALL_THE_TIME * self.seconds
        ]
        return [
            track for track in long if apart_px(track.first, track.last) < _STAYED_HEIGHTS * track.last.height
        ]

    @property
    def resumed(self) -> int:
        """Tracks lost amid the picture near which another began shortly after: twice the same person?"""
        return sum(any(_resumes(later, track) for later in self.tracks) for track in self.lost)

    def at_edge(self, box: Box) -> bool:
        """Whether a face is about to leave the picture, or has just come in."""
        margin, (width, height) = _EDGE_WIDTHS * box.width, self.frame_px
        return min(box.left, box.top) < margin or box.right > width - margin or box.bottom > height - margin

    def at_zone(self, box: Box) -> bool:
        """Whether a zone lies within half a face."""
        width, height = self.frame_px
        reach = 1.0 + 2.0 * _ZONE_WIDTHS
        steps = [(2.0 * step / (_RASTER - 1) - 1.0) / 2.0 * reach for step in range(_RASTER)]
        middle = ((box.left + box.right) / 2.0, (box.top + box.bottom) / 2.0)
        points = [
            ((middle[0] + across * box.width) / width, (middle[1] + down * box.height) / height)
            for across in steps
            for down in steps
        ]
        return any(_holds(zone, point) for zone in self.zones for point in points)

    def _amid(self, box: Box) -> bool:
        return not (self.at_edge(box) or self.at_zone(box))


def _resumes(later: Sighting, earlier: Sighting) -> bool:
    if later is earlier or not 0.0 <= later.began_s - earlier.ended_s <= RESUMED_WITHIN_S:
        return False
    return apart_px(later.first, earlier.last) <= _RESUMED_HEIGHTS * earlier.last.height


def _holds(polygon: Sequence[tuple[float, float]], point: tuple[float, float]) -> bool:
    """Whether a ray to the right of the point crosses the outline an odd number of times."""
    x, y = point
    inside = False
    for (left, top), (right, bottom) in pairwise((*polygon, polygon[0])):
        if (top > y) != (bottom > y) and x < left + (y - top) / (bottom - top) * (right - left):
            inside = not inside
    return inside
