"""Temperature scaling: one number that makes probabilities mean what they say.

Guo et al. 2017, arXiv:1706.04599.
Logits are divided by T before the softmax. T is the minimum of the mean cross-entropy on held-out rows; it
never changes which class is the most probable. A few hundred rows tell log T to no better than a tenth, so
that it is drawn towards 0, T = 1, by how surely it differs from that (James and Stein 1961).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightune.evaluate.calibration import expected_calibration_error

LEAST_ROWS = 50  # fewer held-out rows would fit chance
COLDEST, HOTTEST = 0.05, 20.0
SURE = 2.0  # standard errors that log T must lie from 0 to count at all


def fit_temperature(logits: NDArray[Any], gold: NDArray[np.integer]) -> float:
    """The temperature of logits (B, C) with gold classes (B,); 1 where the rows cannot tell it from 1.

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
    log_temperature = -np.log(found.x)
    error = SURE * standard_error(logits, gold, found.x)
    if abs(log_temperature) <= error:
        return 1.0
    return float(np.exp(log_temperature * (1 - (error / log_temperature) ** 2)))


def standard_error(logits: NDArray[np.float64], gold: NDArray[np.integer], inverse: float) -> float:
    """Of log T at the minimum, T = 1 / inverse: of logits (B, C), gold (B,), by the sandwich formula.

    The loss of a row has the slope a = E_p[z] - z_gold and the curvature v = Var_p[z] in 1 / T (White 1982).
    """
    scaled = logits * inverse
    chances = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    mean = (chances * logits).sum(axis=1)
    slope = mean - logits[np.arange(len(gold)), gold]
    curvature = (chances * (logits - mean[:, None]) ** 2).sum(axis=1)
    bent = inverse * max(float(curvature.mean()), 1e-300)
    return float(np.sqrt((slope**2).mean() / len(gold)) / bent)


def calibration_error(
    logits: NDArray[Any], gold: NDArray[np.integer], temperature: float, bins: int = 15
) -> float:
    """Expected calibration error of softmax(logits / T), logits (B, C), gold (B,)."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    shifted = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    sure = shifted.max(axis=1) / shifted.sum(axis=1)
    return expected_calibration_error(sure, logits.argmax(axis=1) == gold, bins)
