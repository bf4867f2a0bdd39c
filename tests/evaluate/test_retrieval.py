"""Ranks of right texts among candidates, against a count by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from lightune.evaluate.retrieval import nearer, nearest, ranking_intervals, ranking_metrics, ranks_of


def unit(rows: list[list[float]]) -> np.ndarray:
    """Rows of length 1."""
    found = np.array(rows, dtype=np.float64)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def brute_ranks(queries: np.ndarray, positives: np.ndarray, targets: np.ndarray) -> list[int]:
    """The definition, candidate by candidate."""
    found = []
    for query, row in zip(queries, targets, strict=True):
        right = {positive for anchor, positive in targets if anchor == row[0]}
        similar: dict[int, float] = {}
        for vector, (_, positive) in zip(positives, targets, strict=True):
            if positive not in similar and (positive != row[0] or positive in right):
                similar[int(positive)] = float(query @ vector)
        best = max(similar[one] for one in right)
        found.append(1 + sum(value >= best for one, value in similar.items() if one not in right))
    return found


def test_ranks_are_those_of_the_definition() -> None:
    random = np.random.default_rng(0)
    targets = np.stack([random.integers(0, 25, 40), random.integers(10, 45, 40)], axis=1)
    targets[:3, 1] = targets[:3, 0]  # identical sides
    vectors = {number: unit([random.normal(size=6).tolist()])[0] for number in range(45)}
    queries = np.array([vectors[one] for one in targets[:, 0]])
    positives = np.array([vectors[one] for one in targets[:, 1]])
    assert ranks_of(queries, positives, targets).tolist() == brute_ranks(queries, positives, targets)
    thin = ranks_of(sparse.csr_matrix(queries), sparse.csr_matrix(positives), targets)
    assert thin.tolist() == brute_ranks(queries, positives, targets)


def test_equal_vectors_earn_nothing() -> None:
    same = np.ones((4, 2)) / np.sqrt(2)
    targets = np.array([[0, 10], [1, 11], [2, 12], [3, 13]])
    assert ranks_of(same, same, targets).tolist() == [4, 4, 4, 4]


def test_a_query_is_no_candidate_of_its_own() -> None:
    """The second row's positive is the first row's query: nearer than anything, and no answer."""
    queries, positives = unit([[1, 0], [0, 1]]), unit([[1, 1], [1, 0]])
    assert ranks_of(queries, positives, np.array([[7, 8], [9, 7]])).tolist() == [1, 2]


def test_metrics_and_intervals() -> None:
    ranks = np.array([1, 2, 6, 20])
    metrics = ranking_metrics(ranks)
    assert metrics == {
        "recall@1": 0.25,
        "recall@5": 0.5,
        "recall@10": 0.75,
        "mrr": pytest.approx((1 + 1 / 2 + 1 / 6 + 1 / 20) / 4),
    }
    for name, (low, high) in ranking_intervals(ranks).items():
        assert low <= metrics[name] <= high
        assert low < high
    low, high = ranking_intervals(np.ones(20, dtype=np.int64))["recall@1"]
    assert (low, high) == (pytest.approx(0.025 ** (1 / 20)), 1.0)


def test_nearest_are_sorted() -> None:
    candidates = unit([[1, 0], [1, 1], [0, 1]])
    places, values = nearest(unit([[1, 0.1], [0, 1]]), candidates, 2)
    assert places.tolist() == [[0, 1], [2, 1]]
    assert values[1].tolist() == pytest.approx([1.0, 2**-0.5])
    assert nearer(candidates[:1], candidates[1:2], candidates[2:]).tolist() == [True]
