"""Distance from the training rows: against NumPy's full covariance, and on rows from elsewhere."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom

from lightune.evaluate.familiar import SURE, USUAL_SHARE, fit_region, is_unusual


def rows(number: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """(number, 40) vectors with three wide directions."""
    generator = np.random.default_rng(seed)
    scale = np.concatenate([[9.0, 5.0, 3.0], np.full(37, 0.5)])
    return generator.normal(shift, 1, size=(number, 40)) * scale


def test_equals_mahalanobis_where_the_model_holds() -> None:
    known, new = rows(4000, 0), rows(50, 1)
    region = fit_region(known)
    moved = new - known.mean(axis=0)
    exact = np.einsum("bh,hk,bk->b", moved, np.linalg.inv(np.cov(known.T)), moved) / 40
    assert np.allclose(region.distances(new), exact, rtol=0.15)


def test_threshold_is_passed_by_few_like_rows_and_by_all_others() -> None:
    region = fit_region(rows(400, 0)).with_threshold(rows(400, 1))
    assert (region.distances(rows(1000, 2)) > region.threshold).mean() < 0.04
    assert (region.distances(rows(100, 3, shift=2.0)) > region.threshold).all()


def test_directions_are_not_more_than_the_rows_bear() -> None:
    region = fit_region(rows(16, 0))
    assert region.directions.shape == (4, 40)
    assert np.isfinite(region.distances(rows(5, 1))).all()


def test_equal_rows_have_no_spread_and_still_a_distance() -> None:
    region = fit_region(np.ones((20, 8)))
    assert region.distances(np.ones((1, 8)))[0] == 0
    assert region.distances(np.full((1, 8), 2.0))[0] > 1e3


def test_alarm_is_about_more_than_chance() -> None:
    assert is_unusual(1, 1)
    assert not is_unusual(1, 100)
    assert not is_unusual(0, 10)
    assert is_unusual(10, 100)
    for num_rows in (1, 7, 50, 400):
        for far in range(1, num_rows + 1):
            surely = float(binom.sf(far - 1, num_rows, USUAL_SHARE)) < SURE
            assert is_unusual(far, num_rows) == surely
