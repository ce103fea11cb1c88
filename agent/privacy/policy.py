"""What the privacy policy lets out of a closed window.

**Suppression.** A window with fewer than ``min_count`` people is published as suppressed, and nothing else
about its content is: neither ``people`` nor any count, and zero people is no exception, since "nobody" is a
fact about the one person who might have been there. A window shorter than 60 s, which only a restart can
produce, is suppressed too unless individual counts are acknowledged: otherwise restarting the agent would
cut time into pieces as fine as one likes.

**Nothing to subtract.** Complementary suppression withholds further numbers wherever a published total
would give a withheld one away. Here no such total exists, by these rules:

* Windows never overlap, and no number covers more than one window or more than one source.
* A disclosure is a function of its own window alone. There is no state, no carrying over of withheld votes
  and no adjustment of the next window. So two histories that differ only inside suppressed windows publish
  the same bytes, which is all that a subtraction could start from.
* Within a window either every label is published or none, so there is no withheld cell that the total and
  the other cells would determine.
* What is published besides windows (birth, health) must hold no count of faces, tracks, readings or
  classifications, and nothing that a count could be read off: :mod:`agent.health` tells the load of a window
  only if the window is published. Coverage tells of the camera only.

That a window is suppressed does say that fewer than ``min_count`` people were counted. The temperature in
health hints, within minutes, at whether anything moves in view: where even that is too much, give the sources
``idle_interval_ms = 0``, which makes the load the same whatever there is to see but faces.

**What suppression is not.** In a published window a label may have one vote. Somebody who knows the labels
of all others in that window can compute the missing one, and somebody who knows that the same people stayed
from one window to the next can compare the two. A threshold can't prevent that; noise can.

**Noise.** With ``epsilon`` set, every count of every window receives independent discrete Laplace noise.
What is protected is one track in one window: adding or removing it changes one count by 1, so the counts
are epsilon-differentially private. (Changing a track's label moves two counts and costs 2 epsilon.) All that
follows, the correction of negative counts, their sum and the decision to suppress, looks at the noisy
counts only and costs nothing more. A person who is in view during several windows, or comes back as a new
track, adds up the cost: at most ``windows present * tracks per window * epsilon``. One person has at most
``(window_s / confirm_hits + 2.5 s) / frame interval`` tracks in a window, those still followed from the one
before included, and in practice one for each time they come back after more than ``max_coast_ms``.
``epsilon_per_day`` is the sum for a track that never leaves.

**A line's crossings** are two counts of one window. They are withheld together, where both add up to less
than ``min_count``: one direction alone is never published, so that no total from elsewhere gives the other
away. A track adds at most one to each direction in a window (:mod:`agent.aggregator.crossings`), two
altogether. So the sensitivity is 2, each direction has noise of epsilon / 2, and the loss of a track in one
window is epsilon, as with expressions. But the side on which a track was last counted goes with it into the
next window, so what it does in one may show in later ones: the promise is for a track as a whole, epsilon
times the windows that it is in. People without expressions are one count, of sensitivity 1.

The load figures of health follow the number of faces and have no noise, so with ``epsilon`` none is told.
"""

from __future__ import annotations

from math import ceil
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Final, overload

from agent.domain import (
    LABELS,
    CrossingsDisclosure,
    CrossingsWindow,
    Disclosure,
    EmotionWindow,
    PeopleDisclosure,
    PeopleWindow,
)
from agent.privacy.noise import as_written, discrete_laplace
from agent.settings import SHORTEST_WINDOW_S, PrivacySettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.domain import AnyDisclosure, AnyWindow, Window

_ROUNDING_S: Final = 1e-3
"""Edges are sums of floats; a window of 60 s may measure a few nanoseconds less."""
_DAY_S: Final = 86_400.0
_MOST_CROSSINGS: Final = 2
"""Of one track in one window: one to each side."""


class PrivacyPolicy:
    """Decides on one window at a time and remembers nothing.

    Args:
        settings: The configuration's ``[privacy]`` table.
        randomness: Where noise comes from; None is the operating system's generator. Only tests pass a
            seeded one.
    """

    def __init__(self, settings: PrivacySettings, randomness: Random | None = None) -> None:
        self._settings = settings
        self._epsilon = None if settings.epsilon is None else as_written(settings.epsilon)
        self._randomness = SystemRandom() if randomness is None else randomness

    @property
    def epsilon_per_day(self) -> float | None:
        """Privacy loss of a track that is in view all day; None without noise."""
        if self._epsilon is None:
            return None
        return float(self._epsilon * ceil(_DAY_S / self._settings.window_s))

    def may_tell_load(self, disclosure: AnyDisclosure) -> bool:
        """Whether the load that a window caused may be told with it."""
        return not disclosure.suppressed and self._epsilon is None

    @overload
    def disclose(self, window: EmotionWindow) -> Disclosure: ...
    @overload
    def disclose(self, window: PeopleWindow) -> PeopleDisclosure: ...
    @overload
    def disclose(self, window: CrossingsWindow) -> CrossingsDisclosure: ...
    def disclose(self, window: AnyWindow) -> AnyDisclosure:
        """What may be published of ``window``."""
        if isinstance(window, EmotionWindow):
            counts = self._let_out(window, {label: window.counts.get(label, 0) for label in LABELS})
            people = None if counts is None else sum(counts.values())
            return Disclosure(suppressed=counts is None, people=people, counts=counts)
        if isinstance(window, PeopleWindow):
            counts = self._let_out(window, {"people": window.people})
            return PeopleDisclosure(suppressed=counts is None, people=(counts or {}).get("people"))
        counts = self._let_out(
            window, {"in": window.came_in, "out": window.went_out}, sensitivity=_MOST_CROSSINGS
        )
        told = counts or {}
        return CrossingsDisclosure(counts is None, told.get("in"), told.get("out"))

    def _let_out(
        self, window: Window, counts: Mapping[str, int], sensitivity: int = 1
    ) -> dict[str, int] | None:
        """All of a window's counts or, where they are withheld, None.

        Args:
            window: Whose they are; a short one's are withheld.
            counts: Each at least 0.
            sensitivity: What one track adds to all of them together at most.
        """
        length_s = window.closed_at_s - window.opened_at_s
        too_short = length_s < SHORTEST_WINDOW_S - _ROUNDING_S
        if too_short and not self._settings.acknowledge_individual_counts:
            return None
        told = dict(counts)
        if self._epsilon is not None:
            share = self._epsilon / sensitivity
            noise = {key: discrete_laplace(share, self._randomness) for key in counts}
            told = _without_negatives({key: count + noise[key] for key, count in counts.items()})
        # With ``min_count = 1`` an empty window shows its zero: there is no threshold left to hide below.
        if self._settings.min_count > 1 and sum(told.values()) < self._settings.min_count:
            return None
        return told


def _without_negatives(noisy: dict[str, int]) -> dict[str, int]:
    """The non-negative counts nearest to ``noisy`` that keep its sum, or all zero for a negative sum.

    Cutting negative counts off alone would add people: about four to each empty window at epsilon 1. What
    the cut adds is therefore taken evenly from the positive counts, as a projection onto the simplex does.
    It works on noisy numbers only, so it reveals nothing further.
    """
    counts = {label: max(0, count) for label, count in noisy.items()}
    excess = sum(counts.values()) - max(0, sum(noisy.values()))
    while excess > 0:
        positive = sorted((label for label in counts if counts[label] > 0), key=lambda label: -counts[label])
        share = max(1, excess // len(positive))
        for label in positive:
            taken = min(share, counts[label], excess)
            counts[label] -= taken
            excess -= taken
    return counts
