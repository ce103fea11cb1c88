"""What the privacy policy lets out of a closed window, and of a day.

**Suppression.** A window with fewer than ``min_count`` people is published as suppressed, and nothing else
about its content is: neither ``people`` nor any count nor any sum, and zero people is no exception, since
"nobody" is a fact about the one person who might have been there. A window shorter than 60 s, which only a
restart can produce, is suppressed too unless individual counts are acknowledged: otherwise restarting the
agent would cut time into pieces as fine as one likes.

**Nothing to subtract.** Complementary suppression withholds further numbers wherever a published total
would give a withheld one away. Here no exact total does, by these rules:

* Windows never overlap, and a number covers one window of one source. The one exception, the total of a day,
  exists only with noise; without ``epsilon`` there is none, and no way to ask for it.
* The disclosure of a window is a function of that window alone. There is no state, no carrying over of
  withheld votes and no adjustment of the next window; a window that was told is never told otherwise. So
  without noise two histories that differ only inside suppressed windows publish the same bytes, which is all
  that a subtraction could start from.
* Within a window either every label is published or none, so there is no withheld cell that the total and
  the other cells would determine.
* What is published besides (birth, health) must hold no count of faces, tracks, readings or classifications,
  and nothing that a count could be read off: :mod:`agent.health` tells the load of a window only if the
  window is published. Coverage tells of the camera only.

That a window is suppressed does say that fewer than ``min_count`` people were counted. The temperature in
health hints, within minutes, at whether anything moves in view: where even that is too much, give the sources
``idle_interval_ms = 0``, which makes the load the same whatever there is to see but faces.

**What suppression is not.** In a published window a label may have one vote. Somebody who knows the labels
of all others in that window can compute the missing one, and somebody who knows that the same people stayed
from one window to the next can compare the two. Sums of probabilities, where they are published, tell how
certain the votes were, so a person's part is as readable there, to a hundredth. A threshold can't prevent
that; noise can.

**Noise.** With ``epsilon`` set, every number receives independent discrete Laplace noise. What is protected
is one track in one window. :mod:`agent.privacy.ledger` lists all that is published about it (the window's
counts, its sums if they are on, the day's total if it is on) with what each may cost; the costs add up to
epsilon, so all of it together is epsilon-differentially private for adding or removing the track. (Changing a
track's label moves two counts and costs twice as much.) All that follows, the correction of negative numbers,
their sum and the decision to suppress, looks at the noisy numbers only and costs nothing more. The decision
about sums is that about their window's counts.

**The day's total** (``day_total``) adds up all windows of the day, withheld ones too: left out, it would be a
sum of what is known already, and of no use. Subtracting the published windows from it leaves the withheld
ones, with noise: the total's own and that of every window subtracted. That is no way round, because the
total's noise is drawn apart from the windows' and its cost stands in the ledger: a track in a withheld window
has in the day's total one vote, protected by the day's part of epsilon, and whatever is computed from noisy
numbers costs nothing more. With noise the threshold is a matter of use, not of protection: it hides numbers
that would be mostly noise. The total is held to the same threshold and the same 60 s, so that a day cut short
tells no more than a window would. No window is in two totals, however often the agent is restarted, so parts
of a day cost no more than a whole one.

**A person.** A person who is in view during several windows, or comes back as a new track, adds up the cost:
at most ``windows present * tracks per window * epsilon``, for each source. ``epsilon_per_day`` is the sum for
a track that never leaves; each restart of the agent cuts a window in two and adds one. How many tracks one
person can make in a window depends on what they do, up to
``(window_s / confirm_hits + 2.5 s) / frame interval``, in practice one for each time they come back after
more than ten seconds. ``max_tracks_per_person`` makes that a chosen number, for whatever they do:
:mod:`agent.privacy.in_view` says how, and ``epsilon_per_person_day`` is what one person then loses to one
source in 24 hours at most, restarts included: each track in a window has cost them so many seconds of their
day. It bounds the tracks a person makes, not that they stand in front of others.

**A line's crossings** are two counts of one window. They are withheld together, where both add up to less
than ``min_count``: one direction alone is never published, so that no total from elsewhere gives the other
away. A track adds at most one to each direction in a window (:mod:`agent.aggregator.crossings`), two
altogether. So the sensitivity is 2, each direction has half of what the ledger gives to counts, and the loss
of a track in one window is as with expressions. But the side on which a track was last counted goes with it
into the next window, so what it does in one may show in later ones: the promise is for a track as a whole,
epsilon times the windows that it is in. People without expressions are one count, of sensitivity 1. Neither
has sums or a day's total: where some source has those, the others leave their part unspent.

The load figures of health follow the number of faces and have no noise, so with ``epsilon`` none is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Final, overload

from agent.domain import (
    EMOTIONS,
    LABELS,
    CrossingsDisclosure,
    CrossingsWindow,
    Disclosure,
    EmotionWindow,
    PeopleDisclosure,
    PeopleWindow,
)
from agent.privacy.ledger import Entry, Release, ledger_of
from agent.privacy.noise import discrete_laplace
from agent.settings import SHORTEST_WINDOW_S, PrivacySettings

if TYPE_CHECKING:
    from agent.domain import AnyDisclosure, AnyWindow, DayTotal, Window

_ROUNDING_S: Final = 1e-3
"""Edges are sums of floats; a window of 60 s may measure a few nanoseconds less."""
_DAY_S: Final = 86_400.0
_MOST_CROSSINGS: Final = 2
"""Of one track in one window: one to each side."""


class PrivacyPolicy:
    """Decides on one window, or one day's total, at a time and remembers nothing.

    Args:
        settings: The configuration's ``[privacy]`` table.
        randomness: Where noise comes from; None is the operating system's generator. Only tests pass a
            seeded one.
    """

    def __init__(self, settings: PrivacySettings, randomness: Random | None = None) -> None:
        self._settings = settings
        self._randomness = SystemRandom() if randomness is None else randomness
        self.ledger: Final[Mapping[Release, Entry]] = ledger_of(settings)
        """What each release may cost one track in one window; empty without noise."""

    @property
    def epsilon_per_day(self) -> float | None:
        """Privacy loss of a track that is in view all day; None without noise."""
        if not self.ledger:
            return None
        per_window = sum(entry.epsilon for entry in self.ledger.values())
        return float(per_window * ceil(_DAY_S / self._settings.window_s))

    @property
    def epsilon_per_person_day(self) -> float | None:
        """Most that one person can lose to one source in a day; None without noise or without a bound."""
        most_tracks, per_day = self._settings.max_tracks_per_person, self.epsilon_per_day
        return None if most_tracks is None or per_day is None else per_day * most_tracks

    def may_tell_load(self, disclosure: AnyDisclosure) -> bool:
        """Whether the load that a window caused may be told with it."""
        return not disclosure.suppressed and not self.ledger

    @overload
    def disclose(self, window: EmotionWindow) -> Disclosure: ...
    @overload
    def disclose(self, window: PeopleWindow) -> PeopleDisclosure: ...
    @overload
    def disclose(self, window: CrossingsWindow) -> CrossingsDisclosure: ...
    def disclose(self, window: AnyWindow) -> AnyDisclosure:
        """What may be published of ``window``."""
        if isinstance(window, EmotionWindow):
            return self._disclosed("counts", window, window.counts)
        if isinstance(window, PeopleWindow):
            told = self._let_out("counts", window, {"people": window.people})
            return PeopleDisclosure(suppressed=told is None, people=(told or {}).get("people"))
        crossed = {"in": window.came_in, "out": window.went_out}
        told = self._let_out("counts", window, crossed, units=_MOST_CROSSINGS)
        return CrossingsDisclosure(told is None, (told or {}).get("in"), (told or {}).get("out"))

    def disclose_day(self, total: DayTotal) -> Disclosure:
        """What may be published of a day.

        Raises:
            ValueError: The ledger has no entry for it: there is no noise, or it wasn't asked for.
        """
        if "day" not in self.ledger:
            raise ValueError("a day's total is told with noise of its own only")
        return self._disclosed("day", total, total.counts)

    def disclose_sums(self, sums: Mapping[str, int], disclosure: Disclosure) -> Mapping[str, int] | None:
        """What may be published of a window's summed probabilities, in hundredths of a person.

        Args:
            sums: Each track has spread 100 over ``EMOTIONS``; labels without a part may be absent.
            disclosure: What is published of the same window's counts.

        Returns:
            Every one of ``EMOTIONS``, with noise perhaps below 0, so that estimates from many windows stay
            free of bias; None where the window is suppressed or ``publish_sums`` is off.
        """
        if disclosure.suppressed or not self._settings.publish_sums:
            return None
        return self._noisy("sums", {label: sums.get(label, 0) for label in EMOTIONS})

    def _disclosed(self, release: Release, span: Window | DayTotal, counts: Mapping[str, int]) -> Disclosure:
        # All labels, whichever have votes: which ones do may not show.
        told = self._let_out(release, span, {label: counts.get(label, 0) for label in LABELS})
        people = None if told is None else sum(told.values())
        return Disclosure(suppressed=told is None, people=people, counts=told)

    def _let_out(
        self, release: Release, span: Window | DayTotal, counts: Mapping[str, int], units: int = 1
    ) -> dict[str, int] | None:
        """All counts or, where they are withheld, None.

        Args:
            release: Whose part of epsilon they have.
            span: Whose they are; a short one's are withheld.
            counts: Each at least 0.
            units: Times the ledger's sensitivity that one track adds to all of them together at most.
        """
        length_s = span.closed_at_s - span.opened_at_s
        too_short = length_s < SHORTEST_WINDOW_S - _ROUNDING_S
        if too_short and not self._settings.acknowledge_individual_counts:
            return None
        told = _without_negatives(self._noisy(release, counts, units))
        # With ``min_count = 1`` an empty window shows its zero: there is no threshold left to hide below.
        if self._settings.min_count > 1 and sum(told.values()) < self._settings.min_count:
            return None
        return told

    def _noisy(self, release: Release, exact: Mapping[str, int], units: int = 1) -> dict[str, int]:
        if not self.ledger:
            return dict(exact)
        per_unit = self.ledger[release].per_unit / units
        return {key: value + discrete_laplace(per_unit, self._randomness) for key, value in exact.items()}


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
