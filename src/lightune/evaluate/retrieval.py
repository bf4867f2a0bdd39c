"""How well nearest texts are found: recall at k and the mean reciprocal rank (Voorhees 1999)."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightune.evaluate.intervals import PERCENTILES, bootstrap

Array = NDArray[Any]
DEPTHS = (1, 5, 10)
QUERIES_AT_ONCE = 512


def ranks_of(queries: Any, positives: Any, targets: Array) -> NDArray[np.int64]:
    """(B,) the rank, from 1, of the first right text among the B positives of all queries.

    Equal positives are one candidate. Right for a query are the positives of all rows with the same query; a
    wrong candidate equal to the query itself is none. Of equal similarities a wrong one comes first, so
    that vectors which are all the same earn nothing.

    Args:
        queries, positives: (B, H) vectors, dense or SciPy sparse, compared by their product.
        targets: (B, 2 or more) a number for every text: the query's, the positive's.
    """
    _, first, candidate_of = np.unique(targets[:, 1], return_index=True, return_inverse=True)
    candidates, ids = positives[first], targets[first, 1]
    right: defaultdict[int, list[int]] = defaultdict(list)
    for query, candidate in zip(targets[:, 0].tolist(), candidate_of.tolist(), strict=True):
        right[query].append(candidate)
    found = np.zeros(len(targets), dtype=np.int64)
    for start in range(0, len(targets), QUERIES_AT_ONCE):
        rows = slice(start, start + QUERIES_AT_ONCE)
        similar = _dense(queries[rows] @ candidates.T)
        of_query = targets[rows, 0]
        is_right = np.zeros(similar.shape, dtype=bool)
        for row, query in enumerate(of_query.tolist()):
            is_right[row, right[query]] = True
        similar[(of_query[:, None] == ids[None, :]) & ~is_right] = -np.inf
        best = np.where(is_right, similar, -np.inf).max(axis=1, keepdims=True)
        found[rows] = 1 + (~is_right & (similar >= best) & np.isfinite(similar)).sum(axis=1)
    return found


def nearest(queries: Array, candidates: Array, number: int) -> tuple[NDArray[np.int64], Array]:
    """((B, number) candidates by falling similarity, their similarities) of unit vectors (B, H), (C, H)."""
    number = min(number, len(candidates))
    places, values = [np.zeros((0, number), np.int64)], [np.zeros((0, number), np.float32)]
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        similar = queries[start : start + QUERIES_AT_ONCE] @ candidates.T
        order = np.argsort(-similar, axis=1, kind="stable")[:, :number]
        places.append(order)
        values.append(np.take_along_axis(similar, order, axis=1))
    return np.concatenate(places), np.concatenate(values)


def ranking_metrics(ranks: NDArray[np.int64]) -> dict[str, float]:
    """recall@1, recall@5, recall@10 (the share of queries with a right text that near) and mrr."""
    found = {f"recall@{depth}": float((ranks <= depth).mean()) for depth in DEPTHS}
    return found | {"mrr": float((1 / ranks).mean())}


def ranking_intervals(ranks: NDArray[np.int64], *, seed: int = 0) -> dict[str, tuple[float, float]]:
    """95% bootstrap intervals of `ranking_metrics`, queries drawn; the candidates stay.

    Where every query is right the draws cannot differ; the low end is then that of the exact binomial
    interval (Clopper and Pearson 1934).
    """
    value = ranking_metrics(ranks)
    intervals = bootstrap(lambda rows: ranking_metrics(ranks[rows]), len(ranks), seed=seed)
    least = (PERCENTILES[0] / 100) ** (1 / len(ranks))
    return intervals | {name: (least, 1.0) for name, one in value.items() if one == 1}


def similarities(first: Any, second: Any) -> NDArray[np.float64]:
    """(B,) products of the rows of (B, H) and (B, H), dense or SciPy sparse."""
    if hasattr(first, "multiply"):
        return np.asarray(first.multiply(second).sum(axis=1), dtype=np.float64).ravel()
    return np.asarray((first * second).sum(axis=1), dtype=np.float64)


def nearer(queries: Any, positives: Any, negatives: Any) -> NDArray[np.bool_]:
    """(B,) whether a positive is nearer to its query than the negative."""
    return np.asarray(similarities(queries, positives) > similarities(queries, negatives))


def _dense(product: Any) -> Array:
    return np.array(product.toarray() if hasattr(product, "toarray") else product)
