"""Bag of words: how often each word occurs, whatever its place (Harris 1954), and a linear model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightune.history._linear import fit_linear
from lightune.history._pieces import fit_counts, row_features
from lightune.history.base import Baseline, Texts


class BagOfWords(Baseline):
    """Counted words (or one or two characters), then logistic regression, or ridge for numbers."""

    name = "bag_of_words"
    summary = "counted words; a linear model"
    kinds = frozenset({"classes", "labels", "number"})
    cost = 1.0

    def fit(self, texts: Texts, gold: Sequence[Any]) -> BagOfWords:
        """Count the words, then fit the linear model."""
        self.counter_ = fit_counts(texts)
        features = row_features(texts, self.counter_.transform)
        self.predictor_ = fit_linear(self.kind, features, gold, is_balanced=self.is_balanced)
        return self

    def predict(self, texts: Texts) -> list[Any]:
        """One answer per row, in the form of gold."""
        return self.predictor_(row_features(texts, self.counter_.transform))
