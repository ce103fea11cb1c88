"""Evaluation data are read when they are first asked for, and once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from agent.errors import ModelError
from models.evaluation.subject import EvaluationData

if TYPE_CHECKING:
    from pathlib import Path


def test_each_kind_is_read_once_when_it_is_asked_for(tmp_path: Path) -> None:
    data = EvaluationData(tmp_path)
    with pytest.raises(ModelError, match="ferplus_test"):
        _ = data.ferplus_test
    path = tmp_path / "ferplus_test.npz"
    np.savez(path, images=np.zeros((2, 48, 48), np.uint8), votes=np.ones((2, 10), np.uint8))
    first = data.ferplus_test
    path.unlink()
    assert data.ferplus_test is first
