"""What one person can add to a window, by whatever tricks; agent/docs/privacy.md states the bound."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.aggregator import Aggregator
from agent.domain import Box, Face, Reading
from agent.settings import TrackerSettings
from agent.tracker.by_position import PositionTracker

LONGEST_UNCHECKED_S = 2.5
PLACES = 12
"""Far enough apart that no track reaches from one to the next."""


def face_at(place: int) -> Face:
    left = 300.0 * place
    return Face(Box(left, 100.0, left + 40.0, 140.0), 0.9)


@given(
    st.lists(st.one_of(st.none(), st.integers(0, PLACES - 1)), min_size=1, max_size=150),
    st.integers(1, 4),
    st.sampled_from((0.0, 300.0, 1_000.0)),
    st.sampled_from((0.1, 0.3, 0.6)),
    st.integers(5, 40),
)
def test_one_face_adds_at_most_one_vote_per_confirmed_track(
    path: list[int | None], confirm_hits: int, max_coast_ms: float, step_s: float, frames: int
) -> None:
    """A face that jumps about as it likes, one place in each frame, or leaves and comes back."""
    tracker = PositionTracker(
        TrackerSettings(confirm_ms=0.0, confirm_hits=confirm_hits, max_coast_ms=max_coast_ms)
    )
    window_s = frames * step_s
    aggregator = Aggregator("door", window_s, 0.0)
    votes = []
    for number, place in enumerate(path):
        now_s = number * step_s
        votes += [window.people for window in aggregator.close_due(now_s)]
        tracks = tracker.update([] if place is None else [face_at(place)], (4_000, 480), now_s)
        aggregator.add(Reading(track.track_id, "neutral", 0.9) for track in tracks if track.observed)
    votes.append(aggregator.close_now(len(path) * step_s).people)
    before = LONGEST_UNCHECKED_S / step_s + 1
    for people in votes:
        assert people <= (frames + 1) / confirm_hits + before
    assert sum(votes) <= len(path)
