"""Metrics for one class per row, equal to scikit-learn's, from three counts per class.

Every metric here depends only on how often each class is right, gold and predicted, so the same
function serves one evaluation and a thousand resamples of it (`intervals.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.integer]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Counts:
    """Per class, how often it is right, gold and predicted; each (..., C)."""

    right: FloatArray
    gold: FloatArray
    predicted: FloatArray


def divide(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """`numerator / denominator`, and 0 where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def count_classes(gold: IntArray, predicted: IntArray, num_classes: int) -> Counts:
    """The three counts of gold: (B,) and predicted: (B,), each (C,)."""
    assert gold.shape == predicted.shape and gold.ndim == 1, (gold.shape, predicted.shape)
    assert len(gold) > 0, "metrics need at least one row"

    def count(classes: IntArray) -> FloatArray:
        return np.bincount(classes, minlength=num_classes).astype(np.float64)

    return Counts(count(gold[gold == predicted]), count(gold), count(predicted))


def metrics_of_counts(counts: Counts) -> dict[str, FloatArray]:
    """Every class metric, each of shape (...); macro averages take the classes that are gold or predicted."""
    right, gold, predicted = counts.right, counts.gold, counts.predicted
    num_rows = gold.sum(-1)
    is_present = (gold + predicted) > 0
    f1 = divide(2 * right, gold + predicted)

    def macro(per_class: FloatArray) -> FloatArray:
        return np.asarray(per_class.sum(-1) / is_present.sum(-1), dtype=np.float64)

    # Gorodkin 2004: the correlation of two categorical variables, for any number of classes.
    gold_spread = num_rows**2 - (gold**2).sum(-1)
    predicted_spread = num_rows**2 - (predicted**2).sum(-1)
    agreement = right.sum(-1) * num_rows - (gold * predicted).sum(-1)
    metrics = {
        "accuracy": right.sum(-1) / num_rows,
        "f1": macro(f1),
        "precision": macro(divide(right, predicted)),
        "recall": macro(divide(right, gold)),
        "matthews": divide(agreement, np.sqrt(gold_spread * predicted_spread)),
    }
    if gold.shape[-1] == 2:
        metrics["f1_positive"] = f1[..., 1]
    return metrics


def class_metrics(gold: IntArray, predicted: IntArray, num_classes: int) -> dict[str, float]:
    """accuracy, f1, precision, recall (macro), matthews; for two classes also f1_positive (class 1).

    Args:
        gold: (B,) class numbers below `num_classes`.
        predicted: (B,) class numbers below `num_classes`.
    """
    metrics = metrics_of_counts(count_classes(np.asarray(gold), np.asarray(predicted), num_classes))
    return {name: float(value) for name, value in metrics.items()}


def confusion_matrix(gold: IntArray, predicted: IntArray, num_classes: int) -> NDArray[np.int64]:
    """(C, C): how many rows of gold class i were predicted as class j."""
    cells = np.asarray(gold, dtype=np.int64) * num_classes + np.asarray(predicted, dtype=np.int64)
    counts = np.bincount(cells, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes).astype(np.int64)
