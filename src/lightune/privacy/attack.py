"""Can it be told from the model which rows it was trained on? Attacks, as numbers.

Membership by loss (Yeom et al. 2018, arXiv:1709.01604); by a likelihood ratio with reference models (Carlini
et al. 2022, arXiv:2112.03570, "LiRA"); exposure of canaries (Carlini et al. 2019, arXiv:1802.08232).

Letters: M members, O others, R reference models, E examples.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
RESAMPLES = 300
LOW_RATE = 0.01  # false alarms allowed: an attacker who is sure of few rows does more harm than a vague one
CLEAR, SLIGHT = 0.6, 0.53


@dataclass(frozen=True)
class Attack:
    """What an attack reached: 0.5 is guessing.

    Attributes:
        auc: chance that a training row gets a higher score than another; low, high: its 95% interval.
        found: share of training rows found when 1% of the others are taken for such.
    """

    name: str
    auc: float
    low: float
    high: float
    found: float
    members: int
    others: int

    @property
    def verdict(self) -> str:
        """In plain words."""
        if self.low <= 0.5:
            return "training rows cannot be told from others by it"
        if self.auc < SLIGHT:
            return "training rows can hardly be told from others"
        if self.auc < CLEAR:
            return "training rows can be told from others a little better than by guessing"
        return "it gives away which rows it was trained on"

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {**asdict(self), "verdict": self.verdict}


def measure_attack(name: str, members: Floats, others: Floats, *, seed: int = 0) -> Attack:
    """AUC with a bootstrap interval, from the scores (M,) and (O,); higher means: it was in training."""
    random = np.random.default_rng(seed)
    drawn = [
        area(random.choice(members, len(members)), random.choice(others, len(others)))
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    found = float((members > np.quantile(others, 1 - LOW_RATE)).mean())
    return Attack(name, area(members, others), float(low), float(high), found, len(members), len(others))


def area(members: Floats, others: Floats) -> float:
    """The chance that one of `members` is above one of `others`; ties count half (Mann and Whitney 1947)."""
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([members, others]))
    number = len(members)
    return float((ranks[:number].sum() - number * (number + 1) / 2) / (number * len(others)))


def margins(losses: Floats) -> Floats:
    """log(p / (1 - p)) of the right answer's probability p = exp(-loss): close to a normal distribution."""
    sure = np.exp(-np.clip(losses, 1e-6, 50.0))
    return np.asarray(np.log(sure) - np.log1p(-np.minimum(sure, 1 - 1e-6)))


def likelihood_ratios(target: Floats, references: Floats, was_in: NDArray[np.bool_]) -> Floats:
    """(E,) how much likelier the target's margins are, had each example been in training.

    Args:
        target: (E,) margins of the attacked model.
        references: (R, E) margins of models trained on random halves.
        was_in: (R, E) which of them had seen the example.
    """
    # One spread for all: few references, as in section VI-C.
    spread = max(float(references.std(axis=0).mean()), 1e-3)
    center_in, center_out = _centers(references, was_in), _centers(references, ~was_in)
    score = ((target - center_out) ** 2 - (target - center_in) ** 2) / (2 * spread**2)
    return np.asarray(np.nan_to_num(score))


def _centers(references: Floats, chosen: NDArray[np.bool_]) -> Floats:
    """(E,) the mean over the chosen references (R, E) of each example; NaN where there is none."""
    counts = chosen.sum(axis=0)
    return np.where(counts > 0, (references * chosen).sum(axis=0) / np.maximum(counts, 1), np.nan)


def exposure(loss: float, others: Floats) -> float:
    """log2 of all candidates over the rank of the canary among them, in bits; guessing: 1.4."""
    rank = 1 + int((others < loss).sum())
    return float(np.log2(len(others) + 1) - np.log2(rank))
