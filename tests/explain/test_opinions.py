"""Cheap models say what they have learnt of other rows, never of the row itself."""

from __future__ import annotations

import numpy as np
import pytest

from lightune.explain.opinions import Folds, by_states, by_words, of_epochs, together, weighed
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


def test_opinions_are_weighed_as_they_fit() -> None:
    """What knows counts, what is too sure is toned down, what says nothing counts for nothing."""
    random = np.random.default_rng(4)
    gold = random.integers(3, size=2000)
    shown = np.where(random.random(2000) < 0.8, gold, random.integers(3, size=2000))
    knows = np.where(np.eye(3)[shown] == 1, 0.98, 0.01)
    chance = random.dirichlet((1, 1, 1), size=2000)
    found, weights = weighed([knows, chance], gold)
    assert np.allclose(found.sum(axis=1), 1)
    assert 0 < weights[0] < 0.8 and weights[1] < 0.05
    right = (shown == gold).mean()
    assert abs(found.max(axis=1).mean() - right) < 0.02, "as sure as it is right"
    assert (found.argmax(axis=1) == shown).mean() > 0.99


def test_weights_are_the_best_that_torch_finds() -> None:
    """Another way to the same minimum: gradient descent on the cross-entropy with the prior."""
    import torch

    random = np.random.default_rng(5)
    gold = random.integers(2, size=300)
    opinions = [random.dirichlet((2, 2), size=300) * 0.7 + 0.3 * np.eye(2)[gold] for _ in range(2)]
    _, weights = weighed(opinions, gold)
    logs, wanted = torch.as_tensor(np.log(np.stack(opinions))), torch.ones(2, dtype=torch.float64)
    wanted.requires_grad_()
    optimizer = torch.optim.LBFGS([wanted], max_iter=200, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        added = torch.tensordot(wanted, logs, dims=1)
        value = torch.nn.functional.cross_entropy(added, torch.as_tensor(gold))
        value = value + wanted @ wanted / 600
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    assert np.allclose(weights, wanted.detach().numpy(), atol=1e-3)


def test_rows_that_all_are_right_on_have_no_endless_weights() -> None:
    gold = np.arange(ROWS) % 2
    sure = np.where(np.eye(2)[gold] == 1, 0.9, 0.1)
    found, weights = weighed([sure, sure], gold)
    assert np.isfinite(found).all() and 0 < weights.sum() < 50
