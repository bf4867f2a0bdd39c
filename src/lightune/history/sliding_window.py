"""The baseline of reading comprehension: a window slides over the context and counts the question's words.

Richardson et al. 2013 (MCTest), algorithm 1: words weigh by how rare they are in the context. That algorithm
chooses among given answers; here, after Rajpurkar et al. 2016, section 5, the candidates are pieces of the
context: all runs of words of one sentence without a word of the question, of a usual length.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from lightune.core.spans import split_words
from lightune.history.base import Baseline, Texts

MOST_WORDS = 8  # of an answer
MOST_CHECKED = 500  # training rows that the threshold of "no answer" is chosen by


class Found(NamedTuple):
    """A piece of the context, and the share of the question's weight that its window holds."""

    text: str
    share: float


class SlidingWindow(Baseline):
    """The run of words with most of the question's words round it."""

    name = "sliding_window"
    summary = "the words with most of the question's words round them"
    kinds = frozenset({"text spans"})
    cost = 0.5
    is_quick = True

    def fit(self, texts: Texts, gold: Sequence[Any]) -> SlidingWindow:
        """Find the usual length of an answer, and below which share of the question none is given."""
        lengths = [len(split_words(answers[0][1])) for answers in gold if answers]
        self.length_ = min(MOST_WORDS, max(1, int(np.median(lengths)))) if lengths else 1
        self.least_ = self._threshold(texts[:MOST_CHECKED], gold[:MOST_CHECKED])
        return self

    def predict(self, texts: Texts) -> list[Any]:
        """The text of an answer a row, "" for none."""
        found = [self._best(*row) for row in texts]
        return [one.text if one.share >= self.least_ else "" for one in found]

    def _threshold(self, texts: Texts, gold: Sequence[Any]) -> float:
        """The share by which F1 on training rows is best; 0 where every question has an answer."""
        from lightune.evaluate.answers import f1

        if all(gold):
            return 0.0
        found = [self._best(*row) for row in texts]
        right = [[text for _, text in answers] for answers in gold]
        scores = np.array([(f1(one.text, own), f1("", own)) for one, own in zip(found, right, strict=True)])
        shares = np.array([one.share for one in found])
        tried = np.unique([0.0, *shares, 2.0])
        sums = [np.where(shares >= least, scores[:, 0], scores[:, 1]).sum() for least in tried]
        return float(tried[int(np.argmax(sums))])

    def _best(self, question: str, context: str) -> Found:
        places = split_words(context)
        words = [context[start:end].lower() for start, end in places]
        asked = {question[start:end].lower() for start, end in split_words(question)}
        asked = {word for word in asked if word[0].isalnum()}
        counts = Counter(words)
        weights = np.array([np.log1p(1 / counts[word]) for word in words])  # Richardson's IC
        is_asked = np.array([word in asked for word in words], dtype=bool)
        is_closed = is_asked | np.array([not word[0].isalnum() for word in words], dtype=bool)
        total = sum(np.log1p(1 / counts[word]) for word in asked if word in counts)
        best, most = Found("", 0.0), 0.0
        for length in range(1, self.length_ + 1):
            if length > len(words):
                break
            around = _windows(np.where(is_asked, weights, 0.0), length, len(asked))
            own = sliding_window_view(weights, length).sum(axis=1)
            is_free = ~sliding_window_view(is_closed, length).any(axis=1)
            scores = np.where(is_free, around + own, -1.0)
            first = int(scores.argmax())
            if scores[first] > most:
                start, end = places[first][0], places[first + length - 1][1]
                most = float(scores[first])
                best = Found(context[start:end], float(around[first] / total) if total else 0.0)
        return best


def _windows(asked: NDArray[np.float64], length: int, num_asked: int) -> NDArray[np.float64]:
    """(W - length + 1,) for each run of `length` words, the most that a window which holds it holds.

    Args:
        asked: (W,) the weights of the question's words, 0 for the others.
        length: of the run; the window is longer by the question's `num_asked` words.
    """
    padded = np.pad(asked, num_asked)
    sums = sliding_window_view(padded, length + num_asked).sum(axis=1)
    best: NDArray[np.float64] = sliding_window_view(sums, num_asked + 1).max(axis=1)
    return best
