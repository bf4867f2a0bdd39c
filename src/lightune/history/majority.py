"""The baseline that never reads: the most frequent class, set of labels or tag, or the mean number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from lightune.history.base import Baseline, Texts


class Majority(Baseline):
    """Gives every row the same answer. Of equally frequent answers, the first in alphabetical order."""

    name = "majority"
    summary = "the commonest answer, always"
    kinds = frozenset({"classes", "labels", "number", "tags"})
    generation = 0
    cost = 0.0
    is_quick = True

    def fit(self, texts: Texts, gold: Sequence[Any]) -> Majority:
        """Find the answer."""
        self.answer_: Any
        if self.kind == "number":
            self.answer_ = float(sum(gold) / len(gold))
        elif self.kind == "labels":
            self.answer_ = list(_most_frequent([tuple(sorted(labels)) for labels in gold]))
        elif self.kind == "tags":
            self.answer_ = _most_frequent([tag for tags in gold for tag in tags])
        else:
            self.answer_ = _most_frequent(gold)
        return self

    def predict(self, texts: Texts) -> list[Any]:
        """The same answer for each row, or for each word."""
        if self.kind == "tags":
            return [[self.answer_] * len(words) for words in texts]
        if self.kind == "labels":
            return [list(self.answer_) for _ in texts]
        return [self.answer_ for _ in texts]


def _most_frequent(answers: Sequence[Any]) -> Any:
    counts = Counter(answers)
    return min(counts, key=lambda answer: (-counts[answer], answer))
