"""Intervals: the fast path agrees with redrawing rows, and 95% means 95%."""

from __future__ import annotations

import time

import numpy as np
import pytest

from lightune.evaluate.classes import class_metrics
from lightune.evaluate.intervals import bootstrap, class_intervals


def simulate(num_rows: int, num_classes: int, accuracy: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Synthetic gold and predicted classes where a row is right with probability `accuracy`."""
    generator = np.random.default_rng(seed)
    gold = generator.integers(num_classes, size=num_rows)
    shift = generator.integers(1, num_classes, size=num_rows)
    is_right = generator.random(num_rows) < accuracy
    return gold, np.where(is_right, gold, (gold + shift) % num_classes)


@pytest.mark.parametrize("num_classes", [2, 5])
def test_fast_path_agrees_with_redrawing_rows(num_classes: int) -> None:
    gold, predicted = simulate(800, num_classes, 0.8, seed=1)
    fast = class_intervals(gold, predicted, num_classes, seed=0, resamples=4000)
    slow = bootstrap(lambda rows: class_metrics(gold[rows], predicted[rows], num_classes), 800, seed=1)
    assert fast.keys() == slow.keys() == class_metrics(gold, predicted, num_classes).keys()
    for name in fast:
        assert fast[name] == pytest.approx(slow[name], abs=0.01), name


def test_coverage_is_about_95_percent() -> None:
    hits = {"accuracy": 0, "f1": 0, "matthews": 0}
    # Errors are spread evenly over three classes, so the true macro F1 is the accuracy.
    truth = {"accuracy": 0.8, "f1": 0.8, "matthews": 0.7}
    for seed in range(400):
        gold, predicted = simulate(300, 3, 0.8, seed=seed)
        found = class_intervals(gold, predicted, 3, seed=seed, resamples=400)
        for name in hits:
            low, high = found[name]
            hits[name] += low <= truth[name] <= high
    for name, count in hits.items():
        assert 0.92 <= count / 400 <= 0.98, (name, count / 400)


def test_two_thousand_rows_are_quick() -> None:
    gold, predicted = simulate(2000, 4, 0.8, seed=0)
    start = time.perf_counter()
    class_intervals(gold, predicted, 4, seed=0)
    assert time.perf_counter() - start < 0.3


def test_many_classes_in_parts_agree_with_one_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    gold, predicted = simulate(500, 60, 0.5, seed=0)
    whole = class_intervals(gold, predicted, 60, seed=0)
    monkeypatch.setattr("lightune.evaluate.intervals.MAX_CELLS_AT_ONCE", 7000)
    assert class_intervals(gold, predicted, 60, seed=0) == whole


def test_one_row_and_no_mistake_are_not_certain() -> None:
    one = np.array([1])
    assert class_intervals(one, one, 2, seed=0)["accuracy"] == (pytest.approx(0.025), 1.0)
    assert class_intervals(one, 1 - one, 2, seed=0)["accuracy"] == (0.0, pytest.approx(0.975))
    gold = np.arange(100) % 2
    found = class_intervals(gold, gold, 2, seed=0)
    assert found["accuracy"] == found["f1"] == (pytest.approx(0.025**0.01), 1.0)


def test_general_bootstrap_works_with_one_row_and_repeats_with_its_seed() -> None:
    assert bootstrap(lambda rows: {"mean": float(rows.mean())}, 1, seed=0) == {"mean": (0.0, 0.0)}
    first, again = (bootstrap(lambda rows: {"mean": float(rows.mean())}, 50, seed=3) for _ in range(2))
    assert first == again and first["mean"][0] < 24.5 < first["mean"][1]
