"""How wrong a count is: too many apart from too few, and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Final

import numpy as np

from agent.domain import EMOTIONS
from models.evaluation.counting.playing import Played
from models.evaluation.counting.truth import find_owners, find_presence
from models.evaluation.walks import Kind

LATE_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class CountScores:
    """Of one walk."""

    people: int
    """To be seen for a second or more."""
    counted: int
    """Tracks that were observed."""
    missed: int
    """People without a track of their own."""
    split: int
    """Tracks of people who have one already."""
    glimpsed: int
    """Tracks of people who were to be seen for less than a second."""
    pictures: int
    """Tracks on pictures of people."""
    late_pictures: int
    """Of those, observed later than ``LATE_S`` after the walk's beginning."""
    ghosts: int
    """Tracks on nothing."""
    window_people: float
    """Mean of all windows."""
    window_bias: float
    """Mean of counted less true, in people."""
    window_error: float
    """Mean absolute difference, in people."""
    dwell_error: float
    """Mean of (time tracked less time to be seen) over time to be seen, of people who have a track."""
    share_error: float
    """Half the sum of the differences of the shares of all expressions (total variation)."""

    @property
    def bias(self) -> float:
        """Counted by people, less 1."""
        return self.counted / max(1, self.people) - 1.0


def score_count(played: Played, label_of: dict[int, str]) -> CountScores:
    """Hold what the agent said of a walk against the truth."""
    presence, owners = find_presence(played), find_owners(played.looks)
    of_person: Counter[int] = Counter()
    tracked_s: defaultdict[int, float] = defaultdict(float)
    glimpsed = pictures = ghosts = 0
    late = {t.track_id for look in played.looks if look.now_s > LATE_S for t in look.tracks if t.observed}
    late_pictures = 0
    for number, track in owners.items():
        if track.whose is None:
            ghosts += 1
        elif track.kind is not Kind.person:
            pictures += 1
            late_pictures += number in late
        elif track.whose not in presence.seconds:
            glimpsed += 1
        else:
            of_person[track.whose] += 1
            tracked_s[track.whose] += track.seconds
    true = [len(window) for window in presence.by_window]
    told = [window.people for window in played.windows]
    off = np.subtract(told, true, dtype=np.float64)
    dwell = [tracked_s[number] / presence.seconds[number] - 1.0 for number in of_person]
    return CountScores(
        people=len(presence.seconds),
        counted=len(owners),
        missed=len(presence.seconds) - len(of_person),
        split=sum(of_person.values()) - len(of_person),
        glimpsed=glimpsed,
        pictures=pictures,
        late_pictures=late_pictures,
        ghosts=ghosts,
        window_people=float(np.mean(true)),
        window_bias=float(np.mean(off)),
        window_error=float(np.mean(np.abs(off))),
        dwell_error=float(np.mean(dwell)) if dwell else 0.0,
        share_error=_share_error(played, label_of, presence.by_window),
    )


def _share_error(played: Played, label_of: dict[int, str], by_window: tuple[frozenset[int], ...]) -> float:
    true = Counter(label_of[number] for window in by_window for number in window)
    told: Counter[str] = Counter()
    for window in played.windows:
        told.update(window.counts)
    shares = [np.array([counts[label] for label in EMOTIONS], np.float64) for counts in (true, told)]
    whole = [max(1.0, float(part.sum())) for part in shares]
    return 0.5 * float(np.abs(shares[0] / whole[0] - shares[1] / whole[1]).sum())
