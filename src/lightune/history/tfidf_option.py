"""The baseline of multiple choice: the option whose words are most like the question's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightune.history._pieces import fit_vectorizer
from lightune.history.base import Baseline, Texts


class TfIdfOption(Baseline):
    """Compares every option with the question (and its context) by the cosine of weighted word counts."""

    name = "tfidf_option"
    summary = "the option that shares most words with the question (TF-IDF)"
    kinds = frozenset({"options"})
    cost = 2.0
    is_quick = True

    def fit(self, texts: Texts, gold: Sequence[Any]) -> TfIdfOption:
        """Count how rare the words are; which option was right is not looked at."""
        self.vectorizer_, _ = fit_vectorizer([text for row in texts for text in row], num_rows=len(texts))
        return self

    def predict(self, texts: Texts) -> list[Any]:
        """The number of an option a row, the first of equals; a row is the question, then its options."""
        from sklearn.preprocessing import normalize

        found = []
        for question, *options in texts:
            vectors = normalize(self.vectorizer_.transform([question, *options]))
            found.append(int((vectors[1:] @ vectors[0].T).toarray()[:, 0].argmax()))
        return found
