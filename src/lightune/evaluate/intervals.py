"""How far a metric could move by chance: 95% percentile bootstrap intervals (Efron 1979).

`bootstrap` works for every metric. For classes, drawing rows again is the same as drawing the counts of
the (gold, predicted) pairs from a multinomial, so `class_intervals` never touches the rows again.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lightune.evaluate.classes import Counts, FloatArray, IntArray, count_classes, metrics_of_counts

Intervals = dict[str, tuple[float, float]]
Measure = Callable[[Counts], dict[str, FloatArray]]
PERCENTILES = (2.5, 97.5)
MAX_CELLS_AT_ONCE = 4_000_000  # 32 MB for each array of resampled counts


def bootstrap(
    metric: Callable[[NDArray[np.int64]], dict[str, float]],
    num_rows: int,
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> Intervals:
    """The 95% interval of each value of `metric`, which takes row numbers: (B,) with repeats.

    One row gives intervals of no width: nothing can be learnt about chance from it.
    """
    assert num_rows > 0, "intervals need at least one row"
    generator = np.random.default_rng(seed)
    draws = [metric(generator.integers(num_rows, size=num_rows)) for _ in range(resamples)]
    return {name: _percentiles(np.array([draw[name] for draw in draws])) for name in draws[0]}


def class_intervals(
    gold: IntArray, predicted: IntArray, num_classes: int, *, seed: int = 0, resamples: int = 1000
) -> Intervals:
    """95% intervals for every metric of `class_metrics`, of gold: (B,) and predicted: (B,).

    Where no row is wrong the resamples cannot differ, though the model is surely not perfect: the low end
    is then that of the exact binomial interval (Clopper and Pearson 1934), 0.025 ** (1 / B). The same for
    accuracy at the other end when no row is right.
    """
    return count_intervals(gold, predicted, num_classes, metrics_of_counts, seed=seed, resamples=resamples)


def count_intervals(
    gold: IntArray,
    predicted: IntArray,
    num_classes: int,
    measure: Measure,
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> Intervals:
    """As `class_intervals`, for every metric that `measure` makes of the counts of the classes."""
    gold, predicted = np.asarray(gold, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    value = {name: float(one) for name, one in measure(count_classes(gold, predicted, num_classes)).items()}
    cells = gold * num_classes + predicted
    draws = _draw_metrics(cells, num_classes, measure, seed=seed, resamples=resamples)
    intervals = {name: _percentiles(drawn) for name, drawn in draws.items()}
    least = (PERCENTILES[0] / 100) ** (1 / len(gold))
    if value["accuracy"] == 1:
        intervals |= {name: (least, 1.0) for name, one in value.items() if one == 1}
    elif value["accuracy"] == 0:
        intervals["accuracy"] = (0.0, 1 - least)
    return intervals


def _percentiles(drawn: FloatArray) -> tuple[float, float]:
    low, high = np.percentile(drawn, PERCENTILES)
    return float(low), float(high)


def _draw_metrics(
    cells: NDArray[np.int64], num_classes: int, measure: Measure, *, seed: int, resamples: int
) -> dict[str, FloatArray]:
    """Every class metric of `resamples` redrawn sets of rows, from `cells` = gold * C + predicted: (B,)."""
    generator = np.random.default_rng(seed)
    found, counts = np.unique(cells, return_counts=True)
    gold, predicted = np.divmod(found, num_classes)
    at_once = max(1, MAX_CELLS_AT_ONCE // max(len(found), num_classes))
    parts = []
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        drawn = generator.multinomial(len(cells), counts / len(cells), size=size)
        is_right = gold == predicted
        sums = Counts(
            right=_sum_by_class(drawn[:, is_right], gold[is_right], num_classes),
            gold=_sum_by_class(drawn, gold, num_classes),
            predicted=_sum_by_class(drawn, predicted, num_classes),
        )
        parts.append(measure(sums))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _sum_by_class(drawn: NDArray[np.int64], classes: NDArray[np.int64], num_classes: int) -> FloatArray:
    """drawn: (resamples, cells) summed over the cells of each class -> (resamples, C)."""
    sums = np.zeros((len(drawn), num_classes))
    if len(classes) == 0:
        return sums
    order = np.argsort(classes, kind="stable")
    present, starts = np.unique(classes[order], return_index=True)
    sums[:, present] = np.add.reduceat(drawn[:, order], starts, axis=1)
    return sums
