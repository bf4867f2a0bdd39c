"""How much each word of a text speaks for an answer: three ways, by captum, so that one checks another.

Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365) from the emptied text to the text. They sum
up to the difference of the two answers; how far they miss it is the completeness error. Gradient x input
(Shrikumar et al. 2016) and occlusion (Zeiler and Fergus 2014: a word emptied) are the checks.

Letters: T tokens, W words, H width.
"""

from __future__ import annotations

import importlib.util
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lightune.core.errors import missing_extra
from lightune.explain.probe import Probe

Floats = NDArray[np.float64]
FEWEST_STEPS, MOST_STEPS = 16, 512
COMPLETE = 0.01  # share of the difference that may be missing
FAR_OFF = 0.1
AT_ONCE = 1024  # tokens of a pass


@dataclass(frozen=True)
class Attributions:
    """What each word adds to the answer, in the answer's unit.

    Attributes:
        integrated, gradient, occlusion: (W,) by the three ways.
        score, empty_score: the answer of the text, and of the text emptied.
        completeness_error: what `integrated` misses, as a share of the difference of the two.
        steps: points between the two at which the gradient was taken.
    """

    integrated: Floats
    gradient: Floats
    occlusion: Floats
    score: float
    empty_score: float
    completeness_error: float
    steps: int


def require_captum() -> None:
    """Raise `UserError` with the command that installs captum, where it is missing."""
    if importlib.util.find_spec("captum") is None:
        raise missing_extra("captum", "trust")


def attribute(probe: Probe, word_of: NDArray[np.int64]) -> Attributions:
    """The attributions of the words of a text; `word_of` (T,) is a token's word, -1 for none.

    Raises:
        UserError: captum is not installed.
    """
    require_captum()
    from captum.attr import FeatureAblation, InputXGradient, IntegratedGradients

    states, empty = probe.states[None], probe.empty[None]
    places = len(probe.states)
    at_once = max(1, AT_ONCE // places)
    with torch.no_grad():
        score, empty_score = (float(probe.score(one)[0]) for one in (states, empty))
    steps = FEWEST_STEPS
    gradients: Any = IntegratedGradients(probe.score)
    while True:
        found = gradients.attribute(
            states, empty, n_steps=steps, method="gausslegendre", internal_batch_size=at_once
        )
        by_token = found[0].sum(-1).double().cpu().numpy()
        error = abs(by_token.sum() - (score - empty_score)) / max(abs(score - empty_score), 1e-6)
        if error <= COMPLETE or steps >= MOST_STEPS:
            break
        steps *= 2 if error < FAR_OFF else 4
    of_word = np.concatenate([np.full(places - len(word_of), -1), word_of])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # captum says that it asks for gradients
        change = InputXGradient(lambda moved: probe.score(empty + moved)).attribute(
            (states - empty).requires_grad_()
        )
    groups = torch.from_numpy(np.maximum(of_word, 0))[None, :, None]  # what is no word does not change
    with torch.no_grad():
        ablated = FeatureAblation(probe.score).attribute(
            states, empty, feature_mask=groups, perturbations_per_eval=at_once
        )[0, :, 0]
    return Attributions(
        by_word(by_token, of_word),
        by_word(change[0].sum(-1).detach().double().cpu().numpy(), of_word),
        _first_of_word(ablated.double().cpu().numpy(), of_word),
        score,
        empty_score,
        float(error),
        steps,
    )


def by_word(values: NDArray[Any], word_of: NDArray[np.int64]) -> Floats:
    """(T,) values of tokens -> (W,) their sums by word."""
    known = word_of >= 0
    found = np.bincount(word_of[known], weights=values[known], minlength=int(word_of.max()) + 1)
    return np.asarray(found, dtype=np.float64)


def _first_of_word(values: NDArray[Any], word_of: NDArray[np.int64]) -> Floats:
    """(T,) equal within a word -> (W,)."""
    words = int(word_of.max()) + 1
    return np.array([values[np.flatnonzero(word_of == word)[0]] for word in range(words)])
