"""Two models on the same rows."""

from __future__ import annotations

import numpy as np
import pytest

from lightune.evaluate.paired import mcnemar, paired_bootstrap


def accuracy(is_right: np.ndarray):
    return lambda rows: {"accuracy": float(is_right[rows].mean())}


def test_mcnemar_is_the_sign_test_on_the_rows_that_differ() -> None:
    first = np.array([True] * 8 + [False] * 2 + [True] * 50)
    second = np.array([False] * 8 + [True] * 2 + [True] * 50)
    only_first, only_second, p = mcnemar(first, second)
    assert (only_first, only_second) == (8, 2)
    assert p == pytest.approx(2 * (1 + 10 + 45) / 2**10)  # at most 2 of 10, either side


def test_mcnemar_of_equal_answers_says_nothing() -> None:
    assert mcnemar(np.ones(5, bool), np.ones(5, bool)) == (0, 0, 1.0)


def test_paired_interval_is_narrower_than_two_apart() -> None:
    generator = np.random.default_rng(0)
    first = generator.random(400) < 0.7
    second = first.copy()
    second[np.flatnonzero(~first)[:20]] = True  # the same but for 20 rows: surely better
    found = paired_bootstrap(accuracy(first), accuracy(second), 400)["accuracy"]
    assert found.value == pytest.approx(0.05)
    assert found.low > 0.02 and found.high < 0.08
    assert found.probability < 0.01


def test_no_difference_is_not_called_one() -> None:
    generator = np.random.default_rng(1)
    first, second = generator.random(300) < 0.7, generator.random(300) < 0.7
    found = paired_bootstrap(accuracy(first), accuracy(second), 300)["accuracy"]
    assert found.low < 0 < found.high and found.probability > 0.05


def test_only_metrics_of_both_are_compared() -> None:
    found = paired_bootstrap(lambda rows: {"a": 0.0, "b": 1.0}, lambda rows: {"a": 1.0}, 5)
    assert set(found) == {"a"}
