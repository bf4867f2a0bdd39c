"""Does a probability mean what it says? Of the rows predicted with 0.8, are 80% right? Guo et al. 2017."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class ReliabilityRow(NamedTuple):
    """The rows whose probability is above `low` and at most `high`."""

    low: float
    high: float
    probability: float
    accuracy: float
    num_rows: int


def reliability(
    probability: NDArray[np.floating], is_right: NDArray[np.bool_], bins: int = 10
) -> list[ReliabilityRow]:
    """Mean probability beside the share that is right, in `bins` equal steps of 0..1; empty steps left out.

    Args:
        probability: (B,) of the predicted answer.
        is_right: (B,) whether that answer is the gold one.
    """
    probability = np.asarray(probability, dtype=np.float64)
    is_right = np.asarray(is_right, dtype=bool)
    assert probability.shape == is_right.shape and probability.ndim == 1
    edges = np.linspace(0, 1, bins + 1)
    # Steps are open below and closed above, so that a probability of exactly 1 has a step; 0 joins the first.
    step = np.clip(np.searchsorted(edges, probability, side="left") - 1, 0, bins - 1)
    rows = []
    for number in np.unique(step):
        inside = step == number
        mean, share = float(probability[inside].mean()), float(is_right[inside].mean())
        low, high = float(edges[number]), float(edges[number + 1])
        rows.append(ReliabilityRow(low, high, mean, share, int(inside.sum())))
    return rows


def expected_calibration_error(
    probability: NDArray[np.floating], is_right: NDArray[np.bool_], bins: int = 15
) -> float:
    """The mean distance between probability and share right, weighted by rows: 0 is perfect."""
    rows = reliability(probability, is_right, bins)
    num_rows = sum(row.num_rows for row in rows)
    assert num_rows > 0, "calibration needs at least one row"
    return sum(row.num_rows * abs(row.probability - row.accuracy) for row in rows) / num_rows
