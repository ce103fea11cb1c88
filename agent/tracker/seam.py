"""The seam to trackers: what any of them promises the pipeline; which one serves is decided here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from agent.tracker.by_position import PositionTracker

if TYPE_CHECKING:
    from agent.domain import Face, Track
    from agent.settings import TrackerSettings


class Tracker(Protocol):
    """Follows the faces of one source from frame to frame. Not thread-safe."""

    def update(self, faces: Sequence[Face], picture_px: tuple[int, int], now_s: float) -> list[Track]:
        """Continue the tracks with what the detector found in the frame of ``now_s``.

        Args:
            faces: Detections in frame pixels.
            picture_px: Width and height of the frame.
            now_s: Monotonic seconds. Going backwards is taken as standing still.

        Returns:
            Confirmed tracks by ascending id. Observed ones carry the detected box, coasting ones the
            predicted box.
        """

    def coast(self, now_s: float) -> list[Track]:
        """Predict the tracks at ``now_s`` for a frame on which the detector did not run.

        Returns:
            Confirmed tracks by ascending id with predicted boxes. Those that the latest detector run matched
            still count as observed: they can be classified in the time that detection would have taken.
        """


def make_tracker(settings: TrackerSettings) -> Tracker:
    """Build the tracker of one source."""
    return PositionTracker(settings)
