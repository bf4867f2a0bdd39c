"""A character n-gram language model per class, and Bayes' rule: P(class | text) ~ P(class) P(text | class).

Peng, Schuurmans and Wang 2004, "Augmenting naive Bayes classifiers with statistical language models".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightune.history._kneser_ney import ClassModels, fit_models
from lightune.history._pieces import is_written_without_spaces
from lightune.history.base import Baseline, Texts

# On 2,000 movie sentences after 4,000: order 4 0.754, 5 0.746, 6 0.746, 7 0.742 (one split, 2026-11).
ORDER, ORDER_WITHOUT_SPACES = 4, 3


class NgramModels(Baseline):
    """The class whose language model finds the text the least surprising; pairs have two models a class."""

    name = "ngram_models"
    summary = "a character n-gram language model per class; Bayes' rule"
    kinds = frozenset({"classes"})
    generation = 2
    cost = 0.5

    def fit(self, texts: Texts, gold: Sequence[Any]) -> NgramModels:
        """Count the n-grams of each class, for each side of a pair."""
        counts = Counter(gold)
        self.names_ = sorted(counts)
        shares = np.array([counts[name] / len(gold) for name in self.names_])
        self.prior_ = np.zeros(len(shares)) if self.is_balanced else np.log(shares)
        number = {name: place for place, name in enumerate(self.names_)}
        classes = np.array([number[name] for name in gold])
        flat = [text for row in texts for text in row]
        order = ORDER_WITHOUT_SPACES if is_written_without_spaces(flat) else ORDER
        self.models_: list[ClassModels] = [
            fit_models([_read(text) for text in side], classes, len(self.names_), order=order)
            for side in zip(*texts, strict=True)
        ]
        return self

    def predict(self, texts: Texts) -> list[Any]:
        """The likeliest class of each row."""
        scores = self.log_probabilities(texts).argmax(axis=1)
        return [self.names_[number] for number in scores]

    def log_probabilities(self, texts: Texts) -> NDArray[np.float64]:
        """(B, C) log P(class) + log P(text | class)."""
        sides = zip(*texts, strict=True)
        found = [
            model.log_probabilities([_read(text) for text in side])
            for model, side in zip(self.models_, sides, strict=True)
        ]
        return np.asarray(self.prior_ + sum(found))


def _read(text: str) -> str:
    """A text as its characters are counted: small letters, single blanks."""
    return " ".join(text.lower().split())
