"""What each published number may cost a track: one ledger divides the configured epsilon, exactly.

The unit is one track in one window. All that is published about it is listed here, each release with its part
of epsilon and with its sensitivity: by how much, over all labels together (L1), adding or removing the track
changes it. Noise of ``exp(-epsilon / sensitivity)`` per unit then costs that part (Dwork et al. 2006), and
the parts add up (sequential composition, Dwork and Roth 2014, theorem 3.16) to what is configured, no more.

* ``counts`` of the window: a track has one vote.
* ``sums`` of the window's probabilities, only where they are published: a track spreads 100 hundredths.
* ``day``, the total of the windows of a day, only where it is published: a track has one vote per window, and
  every window belongs to one total.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Literal

from agent.privacy.noise import as_written

if TYPE_CHECKING:
    from agent.settings import PrivacySettings

Release = Literal["counts", "sums", "day"]

DAY_PART: Final = Fraction(3, 10)
"""Of epsilon. At epsilon 1 a count of a day's 288 windows then has a standard deviation of 4.7 instead of 23,
and a count of one window 1.98 instead of 1.36."""
SUMS_PART: Final = Fraction(1, 2)
"""Of what the day leaves to the window."""
SENSITIVITY: Final[Mapping[Release, int]] = {"counts": 1, "sums": 100, "day": 1}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger."""

    epsilon: Fraction
    """Privacy loss that this release may cause; above 0."""
    sensitivity: int
    """Units of the release, over all labels, that one track in one window changes at most."""

    @property
    def per_unit(self) -> Fraction:
        """Loss of one unit: what the noise is drawn with."""
        return self.epsilon / self.sensitivity


def ledger_of(settings: PrivacySettings) -> Mapping[Release, Entry]:
    """An entry for each release that has noise; empty without ``epsilon``. They add up to ``epsilon``."""
    if settings.epsilon is None:
        return {}
    whole = as_written(settings.epsilon)
    day = whole * DAY_PART if settings.day_total else Fraction(0)
    sums = (whole - day) * SUMS_PART if settings.publish_sums else Fraction(0)
    parts: Mapping[Release, Fraction] = {"counts": whole - day - sums, "sums": sums, "day": day}
    return {release: Entry(part, SENSITIVITY[release]) for release, part in parts.items() if part}
