"""Temperature scaling: one number that makes probabilities mean what they say.

Guo et al. 2017, arXiv:1706.04599.
Logits are divided by T before the softmax. T is the minimum of the mean cross-entropy on held-out rows; it
never changes which class is the most probable.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightune.evaluate.calibration import expected_calibration_error

LEAST_ROWS = 50  # fewer held-out rows would fit chance
COLDEST, HOTTEST = 0.05, 20.0


def fit_temperature(logits: NDArray[Any], gold: NDArray[np.integer]) -> float:
    """The temperature of logits (B, C) with gold classes (B,); 1 where the rows are too few to tell.

    The loss is convex in 1 / T, so that a bounded search for one number finds the minimum.
    """
    if len(gold) < LEAST_ROWS:
        return 1.0
    from scipy.optimize import minimize_scalar

    logits = np.asarray(logits, dtype=np.float64)
    own = logits[np.arange(len(gold)), gold]

    def loss(inverse: float) -> float:
        scaled = logits * inverse
        top = scaled.max(axis=1)
        return float(np.mean(np.log(np.exp(scaled - top[:, None]).sum(axis=1)) + top - own * inverse))

    found = minimize_scalar(
        loss, bounds=(1 / HOTTEST, 1 / COLDEST), method="bounded", options={"xatol": 1e-6}
    )
    return float(1 / found.x)


def calibration_error(
    logits: NDArray[Any], gold: NDArray[np.integer], temperature: float, bins: int = 15
) -> float:
    """Expected calibration error of softmax(logits / T), logits (B, C), gold (B,)."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    shifted = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    sure = shifted.max(axis=1) / shifted.sum(axis=1)
    return expected_calibration_error(sure, logits.argmax(axis=1) == gold, bins)
