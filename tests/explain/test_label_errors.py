"""Confident learning through cleanlab, where it is installed."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from lightune.core.errors import UserError
from lightune.explain.label_errors import label_errors, share_wrong

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


@pytest.mark.skipif(not IS_HERE, reason="needs lightune[trust]")
def test_hard_rows_are_not_called_wrong() -> None:
    """Models that are right on 80% of 2,000 rows, surely or not, and 5% of the labels flipped."""
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, 2000)
    own = random.beta(4, 1, 2000)  # p(true class): its mean is 0.8, and it is right as often as it says
    is_one = np.where(random.random(2000) < own, truth, 1 - truth)
    sure = np.maximum(own, 1 - own)
    probability = np.stack([np.where(is_one == 0, sure, 1 - sure), np.where(is_one == 1, sure, 1 - sure)], 1)
    is_wrong = random.random(2000) < 0.05
    gold = np.where(is_wrong, 1 - truth, truth)
    is_flagged, _ = label_errors(gold, probability)
    assert is_wrong.sum() / 2 < is_flagged.sum() < 2 * is_wrong.sum()
    assert is_wrong[is_flagged].mean() > 3 * is_wrong[probability.argmax(axis=1) != gold].mean() / 2


def test_the_surest_rows_tell_how_many_labels_are_wrong() -> None:
    gold, probability = answers()
    assert share_wrong(gold, probability) == pytest.approx(2 / 60)
    assert share_wrong(probability.argmax(axis=1), probability) == 0


@pytest.mark.skipif(IS_HERE, reason="cleanlab is installed")
def test_missing_library_is_named_with_its_command() -> None:
    with pytest.raises(UserError, match=r"pip install 'lightune\[trust\]'"):
        label_errors(*answers())
