"""Class metrics equal scikit-learn's, degenerate inputs included."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from lightune.evaluate.classes import class_metrics, confusion_matrix

DEGENERATE = {
    "all right": ([0, 1, 1], [0, 1, 1], 2),
    "all wrong": ([0, 1, 1], [1, 0, 0], 2),
    "one row right": ([1], [1], 2),
    "one row wrong": ([1], [0], 2),
    "one class predicted": ([0, 1, 0, 1], [1, 1, 1, 1], 2),
    "one class gold": ([0, 0, 0], [0, 1, 0], 2),
    "a class only predicted": ([0, 1, 0], [2, 1, 0], 3),
    "a class absent": ([0, 3, 0, 3, 1], [0, 3, 1, 1, 1], 5),
}


def reference(gold: np.ndarray, predicted: np.ndarray, num_classes: int) -> dict[str, float]:
    from sklearn import metrics

    macro = {"average": "macro", "zero_division": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {
            "accuracy": metrics.accuracy_score(gold, predicted),
            "f1": metrics.f1_score(gold, predicted, **macro),
            "precision": metrics.precision_score(gold, predicted, **macro),
            "recall": metrics.recall_score(gold, predicted, **macro),
            "matthews": metrics.matthews_corrcoef(gold, predicted),
        }
        if num_classes == 2:
            found["f1_positive"] = metrics.f1_score(gold, predicted, pos_label=1, zero_division=0)
    return found


@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_inputs_equal_scikit_learn(case: str) -> None:
    gold, predicted, num_classes = DEGENERATE[case]
    ours = class_metrics(np.array(gold), np.array(predicted), num_classes)
    assert ours == pytest.approx(reference(np.array(gold), np.array(predicted), num_classes), abs=1e-12)


@pytest.mark.parametrize("num_classes", [2, 3, 20, 150])
def test_random_inputs_equal_scikit_learn(num_classes: int) -> None:
    generator = np.random.default_rng(num_classes)
    for num_rows in (5, 300, 2000):
        gold = generator.integers(num_classes, size=num_rows)
        is_kept = generator.random(num_rows) < 0.6
        predicted = np.where(is_kept, gold, generator.integers(num_classes, size=num_rows))
        ours = class_metrics(gold, predicted, num_classes)
        assert ours == pytest.approx(reference(gold, predicted, num_classes), abs=1e-12)


def test_confusion_matrix_has_gold_rows() -> None:
    found = confusion_matrix(np.array([0, 0, 1]), np.array([2, 0, 1]), 3)
    assert found.tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]


def test_no_rows_is_refused() -> None:
    with pytest.raises(AssertionError, match="at least one row"):
        class_metrics(np.array([], dtype=int), np.array([], dtype=int), 2)
