"""Metrics for label sets and for numbers equal scikit-learn's and SciPy's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from lightune.evaluate.labels import multilabel_metrics
from lightune.evaluate.numbers import regression_metrics


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_label_sets_equal_scikit_learn(share: float) -> None:
    from sklearn import metrics

    generator = np.random.default_rng(0)
    gold = generator.random((200, 6)) < share
    predicted = gold ^ (generator.random((200, 6)) < 0.1)
    predicted[:, 3] = False
    macro = {"average": "macro", "zero_division": 0}
    expected = {
        "accuracy": metrics.accuracy_score(gold, predicted),
        "f1": metrics.f1_score(gold, predicted, **macro),
        "f1_micro": metrics.f1_score(gold, predicted, average="micro", zero_division=0),
        "precision": metrics.precision_score(gold, predicted, **macro),
        "recall": metrics.recall_score(gold, predicted, **macro),
    }
    assert multilabel_metrics(gold, predicted) == pytest.approx(expected, abs=1e-12)


def test_numbers_equal_scipy_with_ties() -> None:
    from scipy import stats

    generator = np.random.default_rng(0)
    gold = generator.integers(0, 6, size=500) / 5
    predicted = np.round(gold + generator.normal(0, 0.4, size=500), 1)
    found = regression_metrics(gold, predicted)
    assert found["pearson"] == pytest.approx(stats.pearsonr(gold, predicted).statistic, abs=1e-12)
    assert found["spearman"] == pytest.approx(stats.spearmanr(gold, predicted).statistic, abs=1e-12)
    assert found["mean_absolute_error"] == pytest.approx(np.abs(gold - predicted).mean())
    assert found["root_mean_squared_error"] == pytest.approx(np.sqrt(((gold - predicted) ** 2).mean()))


@pytest.mark.parametrize("gold, predicted", [([0.1] * 7, range(7)), (range(7), [0.3] * 7), ([1.5], [2.0])])
def test_constant_input_has_no_correlation_and_no_warning(gold: list[float], predicted: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = regression_metrics(np.array(gold), np.array(predicted))
    assert found["pearson"] == found["spearman"] == 0.0


def test_very_small_numbers_correlate() -> None:
    steps = np.arange(5.0)
    assert regression_metrics(steps * 1e-200, steps)["pearson"] == pytest.approx(1.0)
