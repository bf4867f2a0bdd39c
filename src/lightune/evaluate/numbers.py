"""Metrics for a number per row: two correlations and two errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]


def regression_metrics(gold: FloatArray, predicted: FloatArray) -> dict[str, float]:
    """pearson, spearman, mean_absolute_error, root_mean_squared_error of gold: (B,), predicted: (B,)."""
    gold_values = np.asarray(gold, dtype=np.float64)
    predicted_values = np.asarray(predicted, dtype=np.float64)
    assert gold_values.shape == predicted_values.shape and gold_values.ndim == 1
    assert len(gold_values) > 0, "metrics need at least one row"
    error = predicted_values - gold_values
    return {
        "pearson": correlation(gold_values, predicted_values),
        "spearman": correlation(ranks(gold_values), ranks(predicted_values)),
        "mean_absolute_error": float(np.abs(error).mean()),
        "root_mean_squared_error": float(np.sqrt((error**2).mean())),
    }


def correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Pearson's r, in -1..1; 0 when either side never changes, where it is undefined."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    # Scaled first, so that very small or large numbers neither vanish nor overflow when squared.
    first = (first - first.mean()) / np.ptp(first)
    second = (second - second.mean()) / np.ptp(second)
    product = float(first @ second) / float(np.sqrt((first @ first) * (second @ second)))
    return min(1.0, max(-1.0, product))


def ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rank of each value from 1; equal values share the mean of their ranks."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean_rank = counts.cumsum() - (counts - 1) / 2
    return np.asarray(mean_rank[group], dtype=np.float64)
