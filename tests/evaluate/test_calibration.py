"""Calibration: honest probabilities have an error near 0, boasting ones do not."""

from __future__ import annotations

import numpy as np
import pytest

from lightune.evaluate.calibration import expected_calibration_error, reliability


def test_honest_probabilities_have_almost_no_error() -> None:
    generator = np.random.default_rng(0)
    probability = generator.uniform(0.5, 1, size=50_000)
    is_right = generator.random(50_000) < probability
    assert expected_calibration_error(probability, is_right) < 0.01
    assert expected_calibration_error(np.full(50_000, 0.99), is_right) == pytest.approx(0.24, abs=0.01)


def test_error_by_hand() -> None:
    probability = np.array([0.9, 0.9, 0.6, 0.6])
    is_right = np.array([True, False, True, True])
    assert expected_calibration_error(probability, is_right, bins=10) == pytest.approx(0.4)


def test_rows_cover_every_probability_once() -> None:
    rows = reliability(np.array([0.0, 0.1, 0.5, 1.0]), np.array([False, True, True, True]), bins=10)
    assert [(row.low, row.num_rows) for row in rows] == [(0.0, 2), (0.4, 1), (0.9, 1)]
    assert rows[0].accuracy == 0.5 and rows[-1].probability == 1.0
