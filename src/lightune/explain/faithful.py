"""Whether attributions can be believed: words taken out (or put in) in their order, against random orders.

Deletion and insertion (Petsiuk et al. 2018, arXiv:1806.07421; Samek et al. 2017). The curve is the answer's
probability after each step; its mean is what is compared. A good order lets it fall early when words are
taken out, and rise early when they are put in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from lightune.explain.asked import Floats, Scale
from lightune.explain.probe import Probe

STEPS = 5  # points of a curve
ORDERS = 10  # random ones
AT_ONCE = 1024  # tokens of a pass


@dataclass(frozen=True)
class Faithful:
    """Means of the curves, and how the random ones compare.

    Attributes:
        deletion, insertion: of the attributions' order.
        random_deletion, random_insertion: of random orders, their mean.
        beaten: the share of random orders that are worse, deletion and insertion together.
    """

    deletion: float
    insertion: float
    random_deletion: float
    random_insertion: float
    beaten: float

    @property
    def score(self) -> float:
        """How much further apart the two curves lie than those of random orders."""
        own, chance = self.insertion - self.deletion, self.random_insertion - self.random_deletion
        return own - chance


def faithfulness(
    probe: Probe, word_of: NDArray[np.int64], weights: Floats, *, seed: int, scale: Scale | None
) -> Faithful:
    """Deletion and insertion of the words by falling weight (W,), and in random orders.

    Args:
        word_of: (T,) a token's word, -1 for none.
        scale: scores as probabilities; None: as shares of the way from the emptied text to the text.
    """
    words = len(weights)
    random = np.random.default_rng(seed)
    others = [random.permutation(words) for _ in range(ORDERS)]
    orders = np.stack([np.argsort(-weights, kind="stable"), *others])
    counts = np.unique(np.linspace(0, words, min(words, STEPS) + 1).round().astype(int))
    rank = np.argsort(orders, axis=1)  # (O, W) the place of a word in an order
    taken = rank[:, None, :] < counts[None, :, None]  # (O, K, W)
    values = _scores(probe, np.concatenate([~taken, taken]).reshape(-1, words), word_of)
    if scale is not None:
        values = scale(values)
    else:
        whole, empty = values[0], values[len(counts) - 1]
        values = (values - empty) / (whole - empty if abs(whole - empty) > 1e-9 else 1.0)
    means = values.reshape(2, len(orders), len(counts)).mean(axis=2)
    (deletion, *worse), (insertion, *better) = means.tolist()
    own, chance = insertion - deletion, means[1, 1:] - means[0, 1:]
    beaten = float(np.mean(chance < own) + 0.5 * np.mean(chance == own))
    return Faithful(deletion, insertion, float(np.mean(worse)), float(np.mean(better)), beaten)


@torch.no_grad()
def _scores(probe: Probe, kept: NDArray[np.bool_], word_of: NDArray[np.int64]) -> Floats:
    """(V,) scores of versions of the text that keep some words, `kept` (V, W)."""
    unique, place = np.unique(kept, axis=0, return_inverse=True)
    lead = np.ones((len(unique), len(probe.states) - len(word_of)), dtype=bool)
    tokens = np.where(word_of >= 0, unique[:, np.maximum(word_of, 0)], True)
    mask = torch.from_numpy(np.concatenate([lead, tokens], axis=1)).to(probe.states.device)
    found = []
    for some in torch.split(mask, max(1, AT_ONCE // len(probe.states))):
        found.append(probe.score(torch.where(some[..., None], probe.states, probe.empty)))
    return torch.cat(found).double().cpu().numpy()[place.reshape(-1)]
