"""Naive Bayes: Bayes' rule, with words that know nothing of each other (McCallum and Nigam 1998)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightune.history._pieces import fit_counts, side_by_side
from lightune.history.base import Baseline, Texts


class NaiveBayes(Baseline):
    """How often each class uses each word (or one or two characters), smoothed by one; pairs count apart."""

    name = "naive_bayes"
    summary = "counted words, Bayes' rule"
    kinds = frozenset({"classes"})
    cost = 0.8

    def fit(self, texts: Texts, gold: Sequence[Any]) -> NaiveBayes:
        """Count the words of each class."""
        from sklearn.naive_bayes import MultinomialNB

        self.counter_ = fit_counts(texts)
        features = side_by_side(texts, self.counter_.transform)
        self.model_ = MultinomialNB(fit_prior=not self.is_balanced).fit(features, list(gold))
        return self

    def predict(self, texts: Texts) -> list[Any]:
        """The likeliest class of each row."""
        found = self.model_.predict(side_by_side(texts, self.counter_.transform))
        return [str(name) for name in found]
