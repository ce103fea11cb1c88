"""Scores of an expression classifier: accuracy, F1 and the confusion behind them; NumPy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data import UNKNOWN_INDEX, Protocol, in_protocol, majority


@dataclass(frozen=True, slots=True)
class EmotionScores:
    """Each in [0, 1], on images whose label is the taggers' majority."""

    accuracy8: float
    """Right among the eight expressions; images of majority unknown or not-a-face left out."""
    accuracy9: float
    """With unknown as a ninth class; not-a-face left out."""
    weighted_f1_9: float
    macro_f1_9: float

    @property
    def stated(self) -> dict[str, float]:
        """Those that manifests and evaluations state."""
        return {name: getattr(self, name) for name in ("accuracy8", "weighted_f1_9", "macro_f1_9")}


def confusion(truth: NDArray[np.int64], guess: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Counts ``(classes, classes)``: rows are the truth, columns the guess."""
    pairs = np.bincount(truth * classes + guess, minlength=classes * classes)
    counts: NDArray[np.int64] = pairs.reshape(classes, classes)
    return counts


def f1_per_class(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Harmonic mean of precision and recall per class; 0 for a class never seen and never guessed."""
    hits = np.diag(counts).astype(np.float64)
    either = counts.sum(axis=0) + counts.sum(axis=1)
    f1: NDArray[np.float64] = np.divide(2.0 * hits, either, out=np.zeros_like(hits), where=either > 0)
    return f1


def probabilities(logits: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    """Softmax over the last axis of ``logits / temperature``."""
    scaled = logits.astype(np.float64) / temperature
    grown = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    share: NDArray[np.float64] = grown / grown.sum(axis=-1, keepdims=True)
    return share


def decide(
    logits: NDArray[np.floating],
    temperature: float = 1.0,
    unknown_below: float = 0.0,
) -> NDArray[np.int64]:
    """Label index per row of ``(N, 9)`` logits: ``unknown`` too where the best expression is unsure."""
    share = probabilities(logits, temperature)
    guess = share.argmax(axis=1).astype(np.int64)
    return np.where(share.max(axis=1) < unknown_below, UNKNOWN_INDEX, guess)


def confusion_of_eight(
    logits: NDArray[np.floating], votes: NDArray[np.uint8], protocol: Protocol
) -> NDArray[np.int64]:
    """8x8 counts of the best expression, ``unknown`` left out, on the rows of a protocol of eight classes."""
    kept = in_protocol(votes, protocol)
    best = logits[kept, :UNKNOWN_INDEX].argmax(axis=1).astype(np.int64)
    return confusion(majority(votes)[kept], best, UNKNOWN_INDEX)


def score_emotions(
    logits: NDArray[np.floating],
    votes: NDArray[np.uint8],
    *,
    temperature: float = 1.0,
    unknown_below: float = 0.0,
) -> EmotionScores:
    """All scores of ``(N, 9)`` logits against ``(N, 10)`` FER+ votes."""
    truth = majority(votes)
    nine = in_protocol(votes, "classes9")
    counts8 = confusion_of_eight(logits, votes, "classes8")
    counts9 = confusion(truth[nine], decide(logits[nine], temperature, unknown_below), 9)
    f1_9 = f1_per_class(counts9)
    return EmotionScores(
        accuracy8=float(np.trace(counts8) / counts8.sum()),
        accuracy9=float(np.trace(counts9) / counts9.sum()),
        weighted_f1_9=float(np.average(f1_9, weights=counts9.sum(axis=1))),
        macro_f1_9=float(f1_9.mean()),
    )
