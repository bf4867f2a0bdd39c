"""What cheap models that did not see a row say of it: one reads its words, one the states of the network.

They err on other rows than a fine-tuned network does, so that together they doubt a label more surely than
any alone. Naive Bayes reads the words: it counts, so that a wrong label moves it little.

Letters: E rows, C classes, D depths, H width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightune.core.tokens import Ints
from lightune.tasks.base import softmax

Floats = NDArray[np.float64]
Folds = Sequence[tuple[Ints, Ints]]
# How freely they may fit, by 4,000 movie sentences with 5% of the labels flipped (MiniLM, 2026-11); all
# features of the states share theirs.
SMOOTHING, OF_STATES = 0.3, 1.5
LEAST_PROBABILITY = 1e-4
NEARLY = 0.03  # of the rows: an epoch that is right on so many fewer than the best one has not learnt yet


def by_words(texts: Sequence[str], gold: NDArray[np.int64], folds: Folds, *, has_blanks: bool) -> Floats:
    """(E, C) out-of-fold probabilities by naive Bayes on TF-IDF (Rennie et al. 2003).

    Words and their pairs are counted; without blanks characters, up to three in a row.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.naive_bayes import MultinomialNB

    units = {"ngram_range": (1, 2)} if has_blanks else {"analyzer": "char", "ngram_range": (1, 3)}
    found = np.zeros((len(texts), int(gold.max()) + 1))
    for rows, held in folds:
        counter = TfidfVectorizer(sublinear_tf=True, **units)
        known = counter.fit_transform([texts[row] for row in rows])
        model = MultinomialNB(alpha=SMOOTHING).fit(known, gold[rows])
        _say(found, held, model, counter.transform([texts[row] for row in held]))
    return found


def by_states(states: NDArray[Any], gold: NDArray[np.int64], folds: Folds) -> Floats:
    """(E, C) out-of-fold probabilities by logistic regression on mean states (D, E, H) of some depths."""
    from sklearn.linear_model import LogisticRegression

    found = np.zeros((states.shape[1], int(gold.max()) + 1))
    wide = np.concatenate(list(np.asarray(states, dtype=np.float32)), axis=1)
    strength = OF_STATES / wide.shape[1]
    for rows, held in folds:
        center, spread = wide[rows].mean(axis=0), wide[rows].std(axis=0) + 1e-6
        known, new = ((wide[some] - center) / spread for some in (rows, held))
        _say(found, held, LogisticRegression(C=strength, max_iter=500).fit(known, gold[rows]), new)
    return found


def _say(found: Floats, held: Ints, model: Any, new: Any) -> None:
    """Put what a model says of `new` into the rows `held`; classes it never saw get 0."""
    found[np.ix_(held, model.classes_)] = model.predict_proba(new)


def of_epochs(opinions: Sequence[Floats], gold: NDArray[np.int64]) -> Floats:
    """(E, C) the mean opinion of the epochs that have learnt: each later one knows more labels by heart.

    Args:
        opinions: (E, C) out-of-fold probabilities after each epoch.
        gold: (E,) class numbers.
    """
    right = [float(np.mean(one.argmax(axis=1) == gold)) for one in opinions]
    return together([one for one, share in zip(opinions, right, strict=True) if share >= max(right) - NEARLY])


def together(opinions: Sequence[Floats]) -> Floats:
    """(E, C) the mean of some opinions (E, C), by their logarithms: the sure ones count for more."""
    return softmax(_logarithms(opinions).mean(axis=0))


def weighed(opinions: Sequence[Floats], gold: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """(E, C) all opinions as one, and (K,) what each counts for: the weights that fit the labels best.

    Logarithms are added up (Genest and Zidek 1986), by the weights under which the given labels are likeliest
    (stacking: Wolpert 1992). So an opinion that is too sure of itself counts for less, one that says nothing
    new for nothing. None of the models has seen the row, and K numbers learn no label by heart; they have a
    normal prior, for rows that all opinions are right on.

    Args:
        opinions: K of (E, C), out-of-fold probabilities.
        gold: (E,) class numbers.
    """
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    logs, rows = _logarithms(opinions), np.arange(len(gold))
    own = logs[:, rows, gold]  # (K, E)

    def loss(weights: Floats) -> tuple[float, Floats]:
        likely = log_softmax(np.tensordot(weights, logs, axes=1), axis=1)  # (E, C)
        value = weights @ weights / (2 * len(gold)) - likely[rows, gold].mean()
        slope = (np.exp(likely) * logs).sum(axis=2) - own
        return float(value), slope.mean(axis=1) + weights / len(gold)

    start = np.full(len(logs), 1 / len(logs))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(logs))
    return softmax(np.tensordot(found.x, logs, axes=1)), np.asarray(found.x)


def _logarithms(opinions: Sequence[Floats]) -> Floats:
    """(K, E, C), none of them endless."""
    return np.log(np.clip(np.stack(opinions), LEAST_PROBABILITY, 1.0))
