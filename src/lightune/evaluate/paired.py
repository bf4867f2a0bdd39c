"""Two models on the same rows: is one truly better? Paired bootstrap (Efron 1979) and McNemar's test (1947).

Rows that both get right, or both wrong, say nothing about which is better; what counts are the rows where
they differ. Drawing rows again keeps both answers of a row together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000

Metric = Callable[[NDArray[np.int64]], dict[str, float]]


@dataclass(frozen=True)
class Difference:
    """Second minus first: value, 95% interval, and the share of resamples in which the sign is the other."""

    value: float
    low: float
    high: float
    probability: float


def paired_bootstrap(
    first: Metric, second: Metric, num_rows: int, *, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Difference]:
    """The difference of every metric that both have, on the same rows drawn again for both.

    Args:
        first: row numbers (B,) with repeats -> metrics of the one model; `second` of the other.
    """
    assert num_rows > 0, "a comparison needs rows"
    generator = np.random.default_rng(seed)
    everything = np.arange(num_rows)
    one, other = first(everything), second(everything)
    names = [name for name in one if name in other]
    drawn: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(resamples):
        rows = generator.integers(num_rows, size=num_rows)
        left, right = first(rows), second(rows)
        for name in names:
            drawn[name].append(right[name] - left[name])
    return {name: _difference(other[name] - one[name], np.array(drawn[name])) for name in names}


def _difference(value: float, drawn: NDArray[np.float64]) -> Difference:
    low, high = np.percentile(drawn, (2.5, 97.5))
    is_other = drawn <= 0 if value > 0 else drawn >= 0
    probability = min(1.0, 2 * (float(is_other.sum()) + 1) / (len(drawn) + 1))
    return Difference(value, float(low), float(high), probability)


def apart(first: tuple[float, float, float], second: tuple[float, float, float]) -> Difference:
    """Second minus first of two figures measured on different rows, each as (value, low, high).

    The interval comes from the two intervals alone (Zou and Donner 2008, MOVER): no normal curve is assumed.
    """
    (one, one_low, one_high), (two, two_low, two_high) = first, second
    value = two - one
    low = value - ((two - two_low) ** 2 + (one_high - one) ** 2) ** 0.5
    high = value + ((two_high - two) ** 2 + (one - one_low) ** 2) ** 0.5
    return Difference(value, low, high, float("nan"))


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> tuple[int, int, float]:
    """(rows that only the first has right, only the second, exact two-sided p) of two (B,) arrays.

    Exact: were both as good, the rows on which they differ would fall to either side like a coin.
    """
    from scipy.stats import binomtest

    first, second = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    assert first.shape == second.shape and first.ndim == 1
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    differing = only_first + only_second
    p = float(binomtest(only_first, differing, 0.5).pvalue) if differing else 1.0
    return only_first, only_second, p
