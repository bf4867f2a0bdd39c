"""Attributions of functions whose right ones are known, and whether faithfulness tells good from bad."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lightune.explain.asked import _sigmoid
from lightune.explain.attributions import COMPLETE, attribute, by_word
from lightune.explain.faithful import faithfulness
from lightune.explain.probe import Probe
from lightune.explain.rollout import rollout

WORD_OF = np.array([-1, 0, 0, 1, 2, 3, 4, 5, -1])
WORDS = 6


def made(steepness: float = 0, lead: int = 0) -> tuple[Probe, np.ndarray]:
    """A probe of a sum of w * x, or of a step of it half way, and what each word adds to the sum."""
    random = torch.Generator().manual_seed(0)
    places, width = lead + len(WORD_OF), 4
    states, empty, weights = (torch.randn(places, width, generator=random) for _ in range(3))
    still = torch.tensor([True] * lead + (WORD_OF < 0).tolist())
    empty[still] = states[still]
    parts = ((states - empty) * weights).sum(-1)[lead:].double().numpy()
    one, other = ((each * weights).sum() for each in (states, empty))

    def score(hidden: torch.Tensor) -> torch.Tensor:
        whole = (hidden * weights).sum((1, 2))
        return torch.tanh(steepness * (whole - (one + other) / 2) / (one - other)) if steepness else whole

    return Probe(score, states, empty, lead), by_word(parts, WORD_OF)


@pytest.mark.parametrize("lead", [0, 3])
def test_three_ways_agree_on_a_linear_function(lead: int) -> None:
    probe, wanted = made(0, lead)
    found = attribute(probe, WORD_OF)
    for way in (found.integrated, found.gradient, found.occlusion):
        assert np.allclose(way, wanted, atol=1e-4)
    assert found.completeness_error < 1e-4


def test_steps_grow_until_the_parts_make_the_whole() -> None:
    probe, wanted = made(40.0)
    found = attribute(probe, WORD_OF)
    assert found.steps > 16 and found.completeness_error <= COMPLETE
    difference = found.score - found.empty_score
    assert found.integrated.sum() == pytest.approx(difference, rel=COMPLETE)
    assert np.allclose(found.integrated / found.integrated.sum(), wanted / wanted.sum(), atol=1e-3)
    assert abs(found.gradient.sum() - difference) > 0.5 * abs(difference)  # what integrating is for


def test_good_attributions_beat_random_orders_and_bad_ones_do_not() -> None:
    probe, wanted = made(0)
    good = faithfulness(probe, WORD_OF, wanted, seed=0, scale=_sigmoid)
    bad = faithfulness(probe, WORD_OF, -wanted, seed=0, scale=_sigmoid)
    assert good.beaten >= 0.9 and good.score > 0.1
    assert bad.beaten <= 0.1 and bad.score < -0.1
    assert good.deletion < good.random_deletion and good.insertion > good.random_insertion


def test_numbers_are_compared_as_shares() -> None:
    probe, wanted = made(0)
    found = faithfulness(probe, WORD_OF, wanted, seed=0, scale=None)
    assert found.beaten >= 0.9
    flat = Probe(lambda hidden: hidden.sum((1, 2)) * 0, probe.states, probe.empty, 0)
    assert faithfulness(flat, WORD_OF, wanted, seed=0, scale=None).beaten == 0.5


def test_rollout_is_that_of_hand() -> None:
    """Two layers of two tokens: the first looks only at the second, the second only at itself."""
    layer = np.array([[[0.0, 1.0], [0.0, 1.0]]] * 3)
    half = np.array([[0.5, 0.5], [0.0, 1.0]])
    assert np.allclose(rollout([layer, layer]), half @ half)
    assert np.allclose(rollout([layer] * 5).sum(axis=1), 1)
