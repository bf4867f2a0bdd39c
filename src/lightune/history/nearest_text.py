"""A translation memory: the answer of the most similar training text (Sumita et al. 1991)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lightune.history._pieces import fit_vectorizer
from lightune.history.base import Baseline, Texts

ROWS_AT_ONCE = 256


class NearestText(Baseline):
    """Looks up the most similar training text (cosine of weighted word counts) and gives its answer."""

    name = "nearest_text"
    summary = "the answer of the most similar training text (TF-IDF)"
    kinds = frozenset({"text"})
    cost = 2.0
    is_quick = True

    def fit(self, texts: Texts, gold: Sequence[Any]) -> NearestText:
        """Keep the training texts as unit vectors, and their answers."""
        from sklearn.preprocessing import normalize

        self.vectorizer_, counted = fit_vectorizer([row[0] for row in texts], num_rows=len(texts))
        self.known_ = normalize(counted)
        self.answers_ = [str(one) for one in gold]
        return self

    def predict(self, texts: Texts) -> list[Any]:
        """Of equally similar texts, the first one's answer."""
        from sklearn.preprocessing import normalize

        found: list[Any] = []
        for start in range(0, len(texts), ROWS_AT_ONCE):
            asked = normalize(
                self.vectorizer_.transform([row[0] for row in texts[start : start + ROWS_AT_ONCE]])
            )
            similar = np.asarray((asked @ self.known_.T).todense())
            found += [self.answers_[place] for place in similar.argmax(axis=1)]
        return found
