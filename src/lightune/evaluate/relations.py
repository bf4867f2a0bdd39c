"""Metrics of relations: the label for "no relation" is no answer that earns anything.

Micro F1 without that label is TACRED's measure (Zhang et al. 2017); `f1_semeval` is the official one of
SemEval-2010 Task 8 (Hendrickx et al. 2010): macro F1 over the relations without `Other`, both directions of
a relation counted together, an answer right only in its own direction.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from lightune.evaluate.classes import Counts, FloatArray, IntArray, count_classes, divide
from lightune.evaluate.intervals import Intervals, count_intervals

DIRECTED = re.compile(r"(.+)\((e1,e2|e2,e1)\)")


def is_directed(labels: Sequence[str], none: str | None) -> bool:
    """Whether the labels, that for no relation apart, are written like `Cause-Effect(e1,e2)`."""
    own = [label for label in labels if label != none]
    return bool(own) and all(DIRECTED.fullmatch(label) for label in own)


def metrics_of(counts: Counts, labels: Sequence[str], none: str | None) -> dict[str, FloatArray]:
    """f1, precision, recall (micro), f1_macro, accuracy, and f1_semeval for directed labels; each (...).

    Args:
        counts: of every class, each (..., C).
        labels: (C,) names.
        none: the name that is left out; None: every label is a relation.
    """
    kept = np.array([label != none for label in labels])
    right, gold, predicted = counts.right[..., kept], counts.gold[..., kept], counts.predicted[..., kept]
    num_right, num_gold, num_predicted = right.sum(-1), gold.sum(-1), predicted.sum(-1)
    is_present = (gold + predicted) > 0
    f1 = divide(2 * right, gold + predicted)
    found = {
        "f1": divide(np.asarray(2 * num_right), np.asarray(num_gold + num_predicted)),
        "precision": divide(np.asarray(num_right), np.asarray(num_predicted)),
        "recall": divide(np.asarray(num_right), np.asarray(num_gold)),
        "f1_macro": divide(np.asarray(f1.sum(-1)), np.asarray(is_present.sum(-1), dtype=np.float64)),
        "accuracy": counts.right.sum(-1) / counts.gold.sum(-1),
    }
    if is_directed(labels, none):
        found["f1_semeval"] = _semeval(right, gold, predicted, [one for one in labels if one != none])
    return found


def _semeval(right: FloatArray, gold: FloatArray, predicted: FloatArray, labels: Sequence[str]) -> FloatArray:
    bases = [DIRECTED.fullmatch(label)[1] for label in labels]  # type: ignore[index]
    together = np.array([[base == one for base in bases] for one in dict.fromkeys(bases)], dtype=np.float64)
    sums = [counts @ together.T for counts in (right, gold, predicted)]
    return np.asarray(divide(2 * sums[0], sums[1] + sums[2]).mean(-1))


def relation_metrics(
    gold: IntArray, predicted: IntArray, labels: Sequence[str], none: str | None
) -> dict[str, float]:
    """`metrics_of` gold: (B,) and predicted: (B,) class numbers."""
    counts = count_classes(np.asarray(gold), np.asarray(predicted), len(labels))
    return {name: float(value) for name, value in metrics_of(counts, labels, none).items()}


def relation_intervals(
    gold: IntArray, predicted: IntArray, labels: Sequence[str], none: str | None, *, seed: int = 0
) -> Intervals:
    """95% bootstrap intervals of `relation_metrics`."""
    return count_intervals(
        gold, predicted, len(labels), lambda counts: metrics_of(counts, labels, none), seed=seed
    )
