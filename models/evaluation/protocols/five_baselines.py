"""Classical classifiers of small grey faces: histograms of oriented gradients, and scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from agent.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

BASELINES: Final = ("HOG and SVM", "random forest")
"""The first sees histograms of gradients, the second the pixels."""
CELL_PX: Final = 8
ORIENTATIONS: Final = 9
CLIPPED_AT: Final = 0.2
TREES: Final = 200
SVM_PENALTY: Final = 5.0
_BATCH: Final = 500


def fit_and_guess(
    name: str,
    images: NDArray[np.uint8],
    truth: NDArray[np.int64],
    unseen: NDArray[np.uint8],
    seed: int,
) -> NDArray[np.int64]:
    """Fit one of :data:`BASELINES` to N×S×S faces and name M unseen ones.

    Raises:
        ModelError: scikit-learn is not installed.
    """
    try:
        from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415 - only this protocol needs it
        from sklearn.svm import SVC  # noqa: PLC0415 - same
    except ImportError as error:
        raise ModelError(
            f"the baselines need {error.name}: install it with pip install 'emotion-agent[train]'"
        ) from error
    model: Any
    features: NDArray[Any]
    asked: NDArray[Any]
    if name == BASELINES[0]:
        model = SVC(C=SVM_PENALTY, random_state=seed)
        features, asked = oriented_gradients(images), oriented_gradients(unseen)
    else:
        model = RandomForestClassifier(TREES, random_state=seed)
        features, asked = images.reshape(len(images), -1), unseen.reshape(len(unseen), -1)
    guess: NDArray[np.int64] = np.asarray(model.fit(features, truth).predict(asked), np.int64)
    return guess


def oriented_gradients(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Histograms of oriented gradients (Dalal & Triggs 2005) of N×S×S pictures.

    Nine unsigned orientations in cells of 8×8 px, blocks of 2×2 cells one cell apart, normalised by their
    length, clipped, normalised again. Sides must be a multiple of the cell's.

    Returns:
        N×F float32.
    """
    parts = [_batch(images[start : start + _BATCH]) for start in range(0, len(images), _BATCH)]
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)


def _batch(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    light = images.astype(np.float32)
    down, right = np.zeros_like(light), np.zeros_like(light)
    down[:, 1:-1] = light[:, 2:] - light[:, :-2]
    right[:, :, 1:-1] = light[:, :, 2:] - light[:, :, :-2]
    strength = np.hypot(right, down)
    # Each gradient is shared between the two orientations it lies between.
    position = np.arctan2(down, right) % np.pi * (ORIENTATIONS / np.pi) - 0.5
    lower = np.floor(position)
    upper_share = position - lower
    across = images.shape[1] // CELL_PX
    cells = np.empty((len(images), across, across, ORIENTATIONS), np.float32)
    for orientation in range(ORIENTATIONS):
        share = np.where(lower % ORIENTATIONS == orientation, 1.0 - upper_share, 0.0)
        share += np.where((lower + 1) % ORIENTATIONS == orientation, upper_share, 0.0)
        grid = (strength * share).reshape(-1, across, CELL_PX, across, CELL_PX)
        cells[..., orientation] = grid.sum(axis=(2, 4))
    last = across - 1
    corners = [cells[:, row : row + last, column : column + last] for row in (0, 1) for column in (0, 1)]
    blocks = _unit(np.minimum(_unit(np.concatenate(corners, axis=-1)), CLIPPED_AT))
    return blocks.reshape(len(images), -1)


def _unit(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.sqrt((blocks**2).sum(axis=-1, keepdims=True) + np.float32(1e-5))
    return np.asarray(blocks / length, np.float32)
