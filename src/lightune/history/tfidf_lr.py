"""TF-IDF and a linear model: weighted word counts, the standard before word vectors (Spärck Jones 1972)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightune.history._linear import fit_linear
from lightune.history._pieces import fit_vectorizer, row_features
from lightune.history.base import Baseline, Texts


class TfIdf(Baseline):
    """Words, pairs and parts of words (or 1-3 characters), then logistic regression, or ridge for numbers."""

    name = "tfidf_lr"
    summary = "weighted counts of words, pairs and parts of words; a linear model"
    kinds = frozenset({"classes", "labels", "number"})
    cost = 4.0
    is_quick = True

    def fit(self, texts: Texts, gold: Sequence[Any]) -> TfIdf:
        """Count the words, then fit the linear model."""
        flat = [text for row in texts for text in row]
        self.vectorizer_, counted = fit_vectorizer(flat, num_rows=len(texts))
        is_single = len(flat) == len(texts)
        features = counted if is_single else row_features(texts, self.vectorizer_.transform)
        self.predictor_ = fit_linear(self.kind, features, gold, is_balanced=self.is_balanced)
        return self

    def predict(self, texts: Texts) -> list[Any]:
        """One answer per row, in the form of gold."""
        return self.predictor_(row_features(texts, self.vectorizer_.transform))
