"""Confident learning through cleanlab, where it is installed."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from lightune.core.errors import UserError
from lightune.explain.label_errors import label_errors

IS_HERE = importlib.util.find_spec("cleanlab") is not None


def answers() -> tuple[np.ndarray, np.ndarray]:
    """Gold and out-of-fold probabilities of 60 rows; rows 3 and 40 have the wrong label."""
    gold = np.array([0, 1] * 30)
    probability = np.where(np.eye(2, dtype=bool)[gold], 0.9, 0.1) + np.linspace(-0.05, 0.05, 60)[:, None] * [
        1,
        -1,
    ]
    gold[3], gold[40] = 1 - gold[3], 1 - gold[40]
    return gold, probability


@pytest.mark.skipif(not IS_HERE, reason="needs lightune[trust]")
def test_wrong_labels_are_flagged_and_nothing_else() -> None:
    is_flagged, score = label_errors(*answers())
    assert np.flatnonzero(is_flagged).tolist() == [3, 40]
    assert set(np.argsort(-score)[:2]) == {3, 40}


@pytest.mark.skipif(IS_HERE, reason="cleanlab is installed")
def test_missing_library_is_named_with_its_command() -> None:
    with pytest.raises(UserError, match=r"pip install 'lightune\[trust\]'"):
        label_errors(*answers())
