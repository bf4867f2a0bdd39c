"""Cheap models say what they have learnt of other rows, never of the row itself."""

from __future__ import annotations

import numpy as np
import pytest

from lightune.explain.opinions import Folds, by_states, by_words, of_epochs, together
from tests.making import sentences

ROWS = 120


@pytest.fixture
def folds() -> Folds:
    parts = np.array_split(np.random.default_rng(0).permutation(ROWS), 4)
    return [(np.setdiff1d(np.arange(ROWS), part), part) for part in parts]


def test_words_that_decide_are_found(folds: Folds) -> None:
    rows = sentences(ROWS)
    gold = np.array([label == "pos" for _, label in rows]).astype(np.int64)
    said = by_words([text for text, _ in rows], gold, folds, has_blanks=True)
    assert np.allclose(said.sum(axis=1), 1) and (said.argmax(axis=1) == gold).mean() > 0.95
    joined = [text.replace(" ", "") for text, _ in rows]
    assert (by_words(joined, gold, folds, has_blanks=False).argmax(axis=1) == gold).mean() > 0.8


def test_states_are_read_at_all_depths(folds: Folds) -> None:
    random = np.random.default_rng(1)
    gold = random.integers(3, size=ROWS)
    states = random.normal(size=(2, ROWS, 8)) * 10 + 50
    states[1] += 40 * np.eye(8)[gold]
    assert (by_states(states, gold, folds).argmax(axis=1) == gold).mean() > 0.95


def test_a_row_has_no_say_in_what_is_said_of_it(folds: Folds) -> None:
    """Labels by chance: who had seen the row would know its label, as there are more features than rows."""
    random = np.random.default_rng(2)
    gold = random.integers(2, size=ROWS)
    states = random.normal(size=(1, ROWS, 400))
    assert 0.3 < (by_states(states, gold, folds).argmax(axis=1) == gold).mean() < 0.7


def test_a_class_that_a_fold_never_saw(folds: Folds) -> None:
    gold = np.arange(ROWS) % 2
    gold[folds[0][1]] = 2  # only the held-out rows have it
    said = by_states(np.random.default_rng(3).normal(size=(1, ROWS, 4)), gold, folds)
    assert said.shape == (ROWS, 3) and (said[folds[0][1], 2] == 0).all()


def test_the_sure_count_for_more() -> None:
    sure, unsure = np.array([[0.99, 0.01]]), np.array([[0.4, 0.6]])
    both = together([sure, unsure])
    assert both[0, 0] > 0.85 and np.allclose(both.sum(axis=1), 1)
    assert np.isfinite(together([np.array([[1.0, 0.0]]), sure])).all()


def test_an_epoch_that_has_not_learnt_is_not_asked() -> None:
    gold = np.arange(ROWS) % 2
    knows = np.where(np.eye(2)[gold] == 1, 0.8, 0.2)
    other = np.where(np.eye(2)[gold] == 1, 0.6, 0.4)
    guesses = np.full((ROWS, 2), [0.99, 0.01])
    assert np.allclose(of_epochs([guesses, knows, other], gold), together([knows, other]))
    assert np.allclose(of_epochs([guesses, guesses], gold), guesses), "the best may be none too good"
