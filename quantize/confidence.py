"""Fits how sure an expression network may call itself, and below what it had better say ``unknown``."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.data import in_protocol, soft_targets
from models.scores import probabilities, score_emotions

TEMPERATURES: Final = np.geomspace(0.4, 3.0, 80)
THRESHOLDS: Final = np.arange(0.0, 0.61, 0.01)


def fit_temperature(logits: NDArray[np.float32], votes: NDArray[np.uint8]) -> float:
    """Temperature of least cross-entropy against the taggers' shares (Guo et al. 2017, section 4.2).

    ``logits`` are N×9 on held-out images, ``votes`` N×10 as in FER+.
    """
    kept = in_protocol(votes, "classes9")
    targets = soft_targets(votes[kept])
    losses = [
        -(targets * np.log(probabilities(logits[kept], temperature) + 1e-12)).sum()
        for temperature in TEMPERATURES
    ]
    return round(float(TEMPERATURES[int(np.argmin(losses))]), 4)


def fit_unknown_below(logits: NDArray[np.float32], votes: NDArray[np.uint8], temperature: float) -> float:
    """Confidence floor of the best nine-class F1, weighted and macro counting alike.

    The lowest of equal floors is taken: an expression is hidden only where that pays.
    """
    values = []
    for threshold in THRESHOLDS:
        scores = score_emotions(logits, votes, temperature=temperature, unknown_below=float(threshold))
        values.append(scores.weighted_f1_9 + scores.macro_f1_9)
    return round(float(THRESHOLDS[int(np.argmax(values))]), 2)
