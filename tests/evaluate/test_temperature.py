"""Temperature scaling on numbers whose right temperature is known."""

from __future__ import annotations

import numpy as np
import pytest

from lightune.evaluate.temperature import LEAST_ROWS, calibration_error, fit_temperature, standard_error


def drawn(temperature: float, num_rows: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Logits (B, 3) that are `temperature` times too large, and classes drawn from what they should say."""
    generator = np.random.default_rng(0)
    honest = generator.normal(0, 1.5, size=(num_rows, 3))
    chances = np.exp(honest) / np.exp(honest).sum(axis=1, keepdims=True)
    gold = (chances.cumsum(axis=1) < generator.random((num_rows, 1))).sum(axis=1)
    return honest * temperature, gold


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_known_temperature_is_found(temperature: float) -> None:
    logits, gold = drawn(temperature)
    assert fit_temperature(logits, gold) == pytest.approx(temperature, rel=0.06)


def test_error_falls_on_rows_not_fitted() -> None:
    logits, gold = drawn(4.0)
    temperature = fit_temperature(logits[:2000], gold[:2000])
    before, after = (calibration_error(logits[2000:], gold[2000:], one) for one in (1.0, temperature))
    assert before > 0.15 and after < 0.03


def test_few_rows_change_nothing() -> None:
    logits, gold = drawn(4.0, LEAST_ROWS - 1)
    assert fit_temperature(logits, gold) == 1.0


def test_rows_that_are_all_right_give_a_finite_temperature() -> None:
    logits = np.eye(2)[[0, 1] * 50] * 8.0
    temperature = fit_temperature(logits, np.array([0, 1] * 50))
    assert 0.04 < temperature < 1


def test_standard_error_is_the_spread_of_fits() -> None:
    """What the formula says of 400 rows is how far fits on 10 draws of 400 lie apart."""
    from scipy.optimize import minimize_scalar

    logits, gold = drawn(2.0)
    fits = []
    for part in np.split(np.arange(4000), 10):
        some, right = logits[part], gold[part]

        def loss(u: float, some: np.ndarray = some, right: np.ndarray = right) -> float:
            scaled = some * np.exp(-u)
            return float((np.log(np.exp(scaled).sum(1)) - scaled[np.arange(len(right)), right]).mean())

        fits.append(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x)
    said = standard_error(logits[:400], gold[:400], 0.5)
    assert said == pytest.approx(np.std(fits), rel=0.5)


def test_chance_on_few_rows_changes_nothing() -> None:
    """Honest logits: of 13 draws of 300 rows hardly one is scaled, and that little."""
    found = []
    logits, gold = drawn(1.0)
    for part in np.array_split(np.arange(4000), 13):
        found.append(fit_temperature(logits[part], gold[part]))
    assert np.mean(np.array(found) == 1.0) >= 0.8 and max(np.abs(np.log(found))) < 0.2
