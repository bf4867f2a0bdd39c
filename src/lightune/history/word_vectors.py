"""Averaged word vectors: words are alike when they stand near the same words (Harris 1954, Firth 1957).

The vectors are those of Levy and Goldberg 2014, "Neural word embedding as implicit matrix factorization":
positive pointwise mutual information of words and their neighbours, cut down by a singular value
decomposition. They come from the training texts alone, so with few texts they know little.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightune.history._linear import fit_linear
from lightune.history._pieces import Vocabulary, pair_columns
from lightune.history.base import Baseline, Texts

Floats = NDArray[np.float64]

WIDTH = 100
WINDOW = 4  # words to either side
SMOOTHING = 0.75  # of how often a word is a neighbour (Levy, Goldberg and Dagan 2015, section 3)


class WordVectors(Baseline):
    """The mean of a text's word vectors, then logistic regression, or ridge for numbers."""

    name = "word_vectors"
    summary = "the mean of word vectors learnt from the training texts; a linear model"
    kinds = frozenset({"classes", "labels", "number"})
    generation = 4
    cost = 2.0

    def fit(self, texts: Texts, gold: Sequence[Any]) -> WordVectors:
        """Learn the vectors, then the linear model."""
        flat = [text for row in texts for text in row]
        self.vocabulary_ = Vocabulary(flat, least=2 if len(texts) >= 1000 else 1)
        self.vectors_ = word_vectors([self.vocabulary_.numbers(one) for one in flat], self.vocabulary_.size)
        features = self._features(texts)
        self.scale_ = float(features.std()) or 1.0
        self.predictor_ = fit_linear(self.kind, features / self.scale_, gold, is_balanced=self.is_balanced)
        return self

    def predict(self, texts: Texts) -> list[Any]:
        """One answer per row, in the form of gold."""
        return self.predictor_(self._features(texts) / self.scale_)

    def _features(self, texts: Texts) -> Floats:
        """(B, H) the means; (B, 4H) for pairs."""
        sides = [self._means(side) for side in zip(*texts, strict=True)]
        return np.asarray(np.hstack(pair_columns(sides)))

    def _means(self, texts: Sequence[str]) -> Floats:
        numbers = [self.vocabulary_.numbers(text) for text in texts]
        lengths = np.array([len(one) for one in numbers])
        owner = np.repeat(np.arange(len(texts)), lengths)
        sums = np.zeros((len(texts), self.vectors_.shape[1]))
        np.add.at(sums, owner, self.vectors_[np.concatenate(numbers).astype(np.int64)])
        return np.asarray(sums / np.maximum(lengths, 1)[:, None])


def word_vectors(texts: Sequence[NDArray[np.int64]], num_words: int) -> Floats:
    """(V, H) vectors of the words that texts, given as word numbers, hold; number 0 is for unknown words."""
    from sklearn.utils.extmath import randomized_svd

    information = mutual_information(near(texts, num_words))
    width = min(WIDTH, num_words - 1)
    if width < 1 or not information.nnz:
        return np.zeros((num_words, 1))
    left, strength, _ = randomized_svd(information, n_components=width, random_state=0)
    return np.asarray(left * np.sqrt(strength))


def near(texts: Sequence[NDArray[np.int64]], num_words: int) -> Any:
    """(V, V) how often two words stand at most `WINDOW` words from each other, as a sparse matrix."""
    from scipy import sparse

    gap = np.full(WINDOW, -1, dtype=np.int64)
    joined = np.concatenate([part for text in texts for part in (text, gap)])
    found = sparse.csr_matrix((num_words, num_words))
    for distance in range(1, WINDOW + 1):
        first, second = joined[:-distance], joined[distance:]
        is_pair = (first >= 0) & (second >= 0)
        ones = np.ones(int(is_pair.sum()))
        pairs = (first[is_pair], second[is_pair])
        found = found + sparse.coo_matrix((ones, pairs), shape=(num_words, num_words)).tocsr()
    return found + found.T


def mutual_information(counts: Any) -> Any:
    """(V, V) max(0, log P(a, b) / (P(a) P(b))) of counts (V, V), sparse; P(b) is smoothed."""
    from scipy import sparse

    cells = counts.tocoo()
    total = cells.data.sum()
    by_word = np.asarray(counts.sum(axis=1)).ravel()
    by_neighbour = np.asarray(counts.sum(axis=0)).ravel() ** SMOOTHING
    by_neighbour = by_neighbour / max(by_neighbour.sum(), 1e-12)
    expected = by_word[cells.row] / max(total, 1) * by_neighbour[cells.col]
    values = np.maximum(0, np.log(cells.data / max(total, 1) / expected))
    found = sparse.coo_matrix((values, (cells.row, cells.col)), shape=cells.shape).tocsr()
    found.eliminate_zeros()
    return found
