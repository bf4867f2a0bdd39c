"""Spans against spans: precision, recall, F1 of whole entities (Tjong Kim Sang and De Meulder 2003)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from lightune.evaluate.intervals import bootstrap

Spans = Sequence[Hashable]


def span_counts(gold: Sequence[Spans], predicted: Sequence[Spans]) -> NDArray[np.int64]:
    """(E, 3) right, predicted and gold spans of each sentence."""
    rows = [
        (len(set(one) & set(other)), len(set(other)), len(set(one)))
        for one, other in zip(gold, predicted, strict=True)
    ]
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def scores(right: float, said: float, gold: float) -> tuple[float, float, float]:
    """(precision, recall, F1), 0 where nothing is to be divided by."""
    precision = right / said if said else 0.0
    recall = right / gold if gold else 0.0
    total = said + gold
    return precision, recall, 2 * right / total if total else 0.0


def span_metrics(counts: NDArray[np.int64]) -> dict[str, float]:
    """Micro-averaged precision, recall and f1 over all spans."""
    precision, recall, f1 = scores(*counts.sum(axis=0).tolist())
    return {"f1": f1, "precision": precision, "recall": recall}


def by_type(
    gold: Sequence[Sequence[tuple[int, int, str]]], predicted: Sequence[Sequence[tuple[int, int, str]]]
) -> dict[str, dict[str, float]]:
    """Type -> {precision, recall, f1, support}."""
    right: Counter[str] = Counter()
    said: Counter[str] = Counter()
    known: Counter[str] = Counter()
    for one, other in zip(gold, predicted, strict=True):
        right.update(span[2] for span in set(one) & set(other))
        said.update(span[2] for span in set(other))
        known.update(span[2] for span in set(one))
    found = {}
    for kind in sorted(known | said):
        precision, recall, f1 = scores(right[kind], said[kind], known[kind])
        found[kind] = {"precision": precision, "recall": recall, "f1": f1, "support": float(known[kind])}
    return found


def bootstrap_spans(counts: NDArray[np.int64], *, seed: int = 0) -> dict[str, tuple[float, float]]:
    """95% bootstrap intervals of `span_metrics`, sentences drawn with replacement."""
    return bootstrap(lambda rows: span_metrics(counts[rows]), len(counts), seed=seed)
