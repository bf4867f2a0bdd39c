"""Baselines of tagging: the commonest tag, and each word's own commonest tag (Charniak et al. 1993)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from lightune.history.base import Baseline, Texts


class MajorityTag(Baseline):
    """Every word gets the commonest tag."""

    name = "majority"

    def fit(self, texts: Texts, gold: Sequence[Any]) -> MajorityTag:
        """Count the tags."""
        self.tag = Counter(tag for tags in gold for tag in tags).most_common(1)[0][0]
        return self

    def predict(self, texts: Texts) -> list[Any]:
        """The same tag for all words."""
        return [[self.tag] * len(words) for words in texts]


class WordTags(Baseline):
    """A word gets the tag it had most often in training; a new word the commonest of words seen once."""

    name = "each word's commonest tag"

    def fit(self, texts: Texts, gold: Sequence[Any]) -> WordTags:
        """Count the tags of each word."""
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for words, tags in zip(texts, gold, strict=True):
            for word, tag in zip(words, tags, strict=True):
                counts[word][tag] += 1
        self.known = {word: found.most_common(1)[0][0] for word, found in counts.items()}
        once: Counter[str] = Counter()
        for found in counts.values():
            if sum(found.values()) == 1:
                once.update(found)
        everything: Counter[str] = sum(counts.values(), Counter())
        self.new = (once or everything).most_common(1)[0][0]
        return self

    def predict(self, texts: Texts) -> list[Any]:
        """One tag a word."""
        return [[self.known.get(word, self.new) for word in words] for words in texts]
