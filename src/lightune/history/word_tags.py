"""The baseline of tagging: each word's own commonest tag (Charniak et al. 1993)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from lightune.history.base import Baseline, Texts


class WordTags(Baseline):
    """A word gets the tag it had most often in training; a new word the commonest of words seen once."""

    name = "word_tags"
    summary = "each word's commonest tag"
    kinds = frozenset({"tags"})
    cost = 0.1
    is_quick = True

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
