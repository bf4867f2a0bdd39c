"""The baseline of search: texts as weighted word counts, compared by their cosine (Salton et al. 1975)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightune.history._pieces import fit_vectorizer
from lightune.history.base import Baseline, Texts


class TfIdfVectors(Baseline):
    """Words, pairs and parts of words, weighted by how rare they are in the training texts of both sides."""

    name = "tfidf_cosine"
    summary = "weighted word counts, compared by their cosine"
    kinds = frozenset({"vectors"})
    cost = 2.0
    is_quick = True

    def fit(self, texts: Texts, gold: Sequence[Any]) -> TfIdfVectors:
        """Count the words."""
        self.vectorizer_, _ = fit_vectorizer([text for row in texts for text in row], num_rows=len(texts))
        return self

    def predict(self, texts: Texts) -> list[Any]:
        """A sparse matrix (B, V) of unit rows for every side."""
        from sklearn.preprocessing import normalize

        return [normalize(self.vectorizer_.transform(side)) for side in zip(*texts, strict=True)]
