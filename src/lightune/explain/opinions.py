"""What cheap models that did not see a row say of it: one reads its words, one the states of the network.

Both are logistic regressions. They err on other rows than a fine-tuned network does, so that together they
doubt a label more surely than any alone.

Letters: E rows, C classes, D depths, H width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightune.core.tokens import Ints

Floats = NDArray[np.float64]
Folds = Sequence[tuple[Ints, Ints]]
# How freely they may fit, by 4,000 movie sentences with 5% of the labels flipped (MiniLM, 2026-11); all
# features of the states share the second.
OF_WORDS, OF_STATES = 3.0, 1.5
LEAST_PROBABILITY = 1e-4
NEARLY = 0.03  # of the rows: an epoch that is right on so many fewer than the best one has not learnt yet


def by_words(texts: Sequence[str], gold: NDArray[np.int64], folds: Folds, *, has_blanks: bool) -> Floats:
    """(E, C) out-of-fold probabilities by TF-IDF of words and their pairs; without blanks of characters."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    units = {"ngram_range": (1, 2)} if has_blanks else {"analyzer": "char", "ngram_range": (1, 3)}
    found = np.zeros((len(texts), int(gold.max()) + 1))
    for rows, held in folds:
        wanted = [texts[row] for row in held]
        counter = TfidfVectorizer(sublinear_tf=True, min_df=2 if len(rows) > 500 else 1, **units)
        known = counter.fit_transform([texts[row] for row in rows])
        _say(found, held, known, gold[rows], counter.transform(wanted), OF_WORDS)
    return found


def by_states(states: NDArray[Any], gold: NDArray[np.int64], folds: Folds) -> Floats:
    """(E, C) out-of-fold probabilities from the mean states (D, E, H) of several depths."""
    found = np.zeros((states.shape[1], int(gold.max()) + 1))
    wide = np.concatenate(list(np.asarray(states, dtype=np.float32)), axis=1)
    for rows, held in folds:
        center, spread = wide[rows].mean(axis=0), wide[rows].std(axis=0) + 1e-6
        known, new = ((wide[some] - center) / spread for some in (rows, held))
        _say(found, held, known, gold[rows], new, OF_STATES / wide.shape[1])
    return found


def _say(found: Floats, held: Ints, known: Any, gold: NDArray[np.int64], new: Any, strength: float) -> None:
    """Put what a regression on `known` says of `new` into the rows `held`; classes it never saw get 0."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, max_iter=500).fit(known, gold)
    found[np.ix_(held, model.classes_)] = model.predict_proba(new)


def of_epochs(opinions: Sequence[Floats], gold: NDArray[np.int64]) -> Floats:
    """(E, C) the mean opinion of the epochs that have learnt: each later one knows more labels by heart.

    Args:
        opinions: (E, C) out-of-fold probabilities after each epoch.
        gold: (E,) class numbers.
    """
    right = [float(np.mean(one.argmax(axis=1) == gold)) for one in opinions]
    return together([one for one, share in zip(opinions, right, strict=True) if share >= max(right) - NEARLY])


def together(opinions: Sequence[Floats], weights: Sequence[float] | None = None) -> Floats:
    """(E, C) the weighted mean of some opinions (E, C), by their logarithms: the sure ones count for more."""
    logs = [np.log(np.clip(one, LEAST_PROBABILITY, 1.0)) for one in opinions]
    mean = np.average(logs, axis=0, weights=weights)
    scaled = np.exp(mean - mean.max(axis=1, keepdims=True))
    return np.asarray(scaled / scaled.sum(axis=1, keepdims=True))
