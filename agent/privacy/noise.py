"""Exact integer noise for differential privacy, free of floating point.

The sampler of Canonne, Kamath and Steinke, "The Discrete Gaussian for Differential Privacy" (NeurIPS 2020,
arXiv:2004.00010), Algorithms 1 and 2. Floating-point Laplace noise leaks through the gaps between
representable numbers (Mironov 2012); this one uses uniform integers and rational comparisons alone, so its
distribution is the stated one to the last digit.
"""

from __future__ import annotations

from fractions import Fraction
from math import exp, expm1
from random import Random


def as_written(epsilon: float) -> Fraction:
    """The decimal number a configuration shows for ``epsilon``, exactly: 0.1 is one tenth."""
    return Fraction(repr(epsilon))


def discrete_laplace(epsilon: Fraction, source: Random) -> int:
    """One integer drawn with probability proportional to ``exp(-epsilon * abs(value))``.

    Args:
        epsilon: Privacy loss of a quantity that one vote changes by 1; above 0.
        source: Uniform integers; ``random.SystemRandom`` outside tests.

    Raises:
        ValueError: ``epsilon`` is not above 0.
    """
    if epsilon <= 0:
        raise ValueError("epsilon must be above 0")
    steps, scale = epsilon.numerator, epsilon.denominator
    while True:
        remainder = source.randrange(scale)
        if not _bernoulli_exp(remainder, scale, source):
            continue
        wholes = 0
        while _bernoulli_exp(1, 1, source):
            wholes += 1
        magnitude = (remainder + scale * wholes) // steps
        negative = source.randrange(2) == 1
        # Zero has one sign only, else it would come up twice as often as it may.
        if not (negative and magnitude == 0):
            return -magnitude if negative else magnitude


def noise_variance(epsilon: float, sensitivity: int = 1) -> float:
    """Variance, in units squared, of the noise of a number with this part of the ledger.

    Args:
        epsilon: Of its release; above 0.
        sensitivity: Of its release, in units.
    """
    rate = epsilon / sensitivity
    return 2.0 * exp(-rate) / expm1(-rate) ** 2


def _bernoulli_exp(numerator: int, denominator: int, source: Random) -> bool:
    """True with probability ``exp(-numerator / denominator)``, for a ratio in [0, 1]."""
    # Draws from Bernoulli(ratio / k) until one fails; the parity of k then has the exponential's series.
    k = 1
    while source.randrange(denominator * k) < numerator:
        k += 1
    return k % 2 == 1
