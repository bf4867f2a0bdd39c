"""Metrics for any number of labels per row, equal to scikit-learn's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lightune.evaluate.classes import divide

BoolArray = NDArray[np.bool_]


def multilabel_metrics(gold: BoolArray, predicted: BoolArray) -> dict[str, float]:
    """Accuracy (the whole set right), f1, precision, recall (macro over all labels) and f1_micro.

    Args:
        gold: (B, C), whether row b has label c.
        predicted: (B, C).
    """
    gold, predicted = np.asarray(gold, dtype=bool), np.asarray(predicted, dtype=bool)
    assert gold.shape == predicted.shape and gold.ndim == 2, (gold.shape, predicted.shape)
    assert len(gold) > 0, "metrics need at least one row"
    right = (gold & predicted).sum(0, dtype=np.float64)
    num_gold = gold.sum(0, dtype=np.float64)
    num_predicted = predicted.sum(0, dtype=np.float64)
    micro = divide(np.atleast_1d(2 * right.sum()), np.atleast_1d(num_gold.sum() + num_predicted.sum()))
    return {
        "accuracy": float((gold == predicted).all(1).mean()),
        "f1": float(divide(2 * right, num_gold + num_predicted).mean()),
        "f1_micro": float(micro[0]),
        "precision": float(divide(right, num_predicted).mean()),
        "recall": float(divide(right, num_gold).mean()),
    }
