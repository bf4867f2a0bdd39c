"""Word vectors from global co-occurrence counts: weighted least squares on their logarithms.

    J = sum over i, j of f(X_ij) (w_i . c_j + b_i + d_j - log X_ij)^2,   f(x) = min(1, (x / x_max)^0.75)

X_ij sums 1 / distance over the places where i and j stand within the window; the vector of a word is w + c.
The gradient of a share of the entries is two products of a sparse with a dense matrix, taken by AdaGrad.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lightune.core.randomness import generator
from lightune.core.settings import Settings as Group
from lightune.history.language._vectors import (
    Sentences,
    VectorSettings,
    WordVectors,
    finish,
    require_gensim,
    require_words,
)
from lightune.history.language.base import Lesson

FloatArray = NDArray[np.float32]
POWER = 0.75
PART_ENTRIES = 50_000  # of one step
START, ORDER = 31, 32  # the purposes of the random streams


class GloveSettings(VectorSettings):
    """`--pretrain.*` of GloVe."""

    window: int = Field(10, ge=1, le=100, description="words to each side that count as near")
    epochs: int = Field(30, ge=1, le=10_000, description="times the counts are gone through")
    most: float = Field(10.0, gt=0, description="counts from here on weigh alike (x_max)")
    learning_rate: float = Field(0.05, gt=0, le=1, description="of AdaGrad")


class Glove(WordVectors):
    """Pennington's vectors."""

    summary = "word vectors: the logarithm of how often words stand together, factored"
    paper = "Pennington et al. 2014, doi:10.3115/v1/D14-1162"
    Settings: ClassVar[type[Group]] = GloveSettings

    @classmethod
    def train(cls, lesson: Lesson) -> Self:
        """Count, then descend."""
        require_gensim()  # for saving
        settings: GloveSettings = lesson.settings
        words, numbers = _read(lesson)
        require_words(words, lesson)
        counts = cooccurrences(numbers, len(words), settings.window)
        fitted = Fit(counts, settings.width, settings.most, lesson.seed)
        with lesson.show.bar("glove", settings.epochs) as bar:
            for epoch in range(1, settings.epochs + 1):
                loss = fitted.epoch(settings.learning_rate)
                lesson.log.rows.append({"step": epoch, "train_loss": loss})
                bar.advance(note=f"loss {loss:.4f}")
        model = cls(words, fitted.vectors, settings.format)
        finish(model, lesson)
        return model


def cooccurrences(numbers: NDArray[np.int64], num_words: int, window: int) -> Any:
    """(V, V) sparse and symmetric: the sum of 1 / distance over all places where two words are near.

    Args:
        numbers: (T,) words of all texts; -1 is a word without a vector, -2 the end of a text.
    """
    from scipy import sparse

    total: Any = sparse.csr_matrix((num_words, num_words), dtype=np.float64)
    ends = np.concatenate([[0], np.cumsum(numbers == -2)])
    for distance in range(1, min(window, len(numbers) - 1) + 1):
        first, second = numbers[:-distance], numbers[distance:]
        is_near = (
            (first >= 0) & (second >= 0) & (ends[: len(first)] == ends[distance : distance + len(first)])
        )
        pairs = (first[is_near], second[is_near])
        total += sparse.coo_matrix((np.full(len(pairs[0]), 1 / distance), pairs), shape=total.shape).tocsr()
    return (total + total.T).tocoo()


class Fit:
    """The two sets of vectors and biases, and AdaGrad's sums of squares (Duchi et al. 2011).

    Args:
        counts: (V, V) sparse X in coordinates.
    """

    def __init__(self, counts: Any, width: int, most: float, seed: int) -> None:
        self.rows, self.columns = counts.row, counts.col
        self.logs = np.log(counts.data).astype(np.float32)
        self.weights = np.minimum(1, (counts.data / most) ** POWER).astype(np.float32)
        self.size = counts.shape[0]
        draw = generator(seed, START)
        self.parameters = [
            ((draw.random((self.size, width + 1)) - 0.5) / (width + 1)).astype(np.float32) for _ in range(2)
        ]
        self.squares = [np.ones_like(one) for one in self.parameters]
        self.order = generator(seed, ORDER)

    @property
    def vectors(self) -> FloatArray:
        """(V, H) w + c."""
        one, other = self.parameters
        summed: FloatArray = (one + other)[:, :-1]
        return summed

    def epoch(self, learning_rate: float) -> float:
        """One pass over all entries in random order; the mean weighted squared error before each step."""
        order = self.order.permutation(len(self.rows))
        total = 0.0
        for start in range(0, len(order), PART_ENTRIES):
            total += self._step(order[start : start + PART_ENTRIES], learning_rate)
        return total / max(len(order), 1)

    def _step(self, part: NDArray[np.int64], learning_rate: float) -> float:
        from scipy import sparse

        one, other = self.parameters
        rows, columns = self.rows[part], self.columns[part]
        found = np.einsum("nh,nh->n", one[rows, :-1], other[columns, :-1])
        error = found + one[rows, -1] + other[columns, -1] - self.logs[part]
        pull = self.weights[part] * error
        matrix = sparse.csr_matrix((pull, (rows, columns)), shape=(self.size, self.size))
        ones = np.ones((self.size, 1), dtype=np.float32)
        gradients = [
            matrix @ np.hstack([other[:, :-1], ones]),
            matrix.T @ np.hstack([one[:, :-1], ones]),
        ]
        for parameter, square, gradient in zip(self.parameters, self.squares, gradients, strict=True):
            np.add(square, gradient**2, out=square)
            np.subtract(parameter, learning_rate * gradient / np.sqrt(square), out=parameter)
        return float((pull * error).sum())


def _read(lesson: Lesson) -> tuple[list[str], NDArray[np.int64]]:
    """(words, most frequent first; all words as numbers, -1 for rare ones, -2 after each text)."""
    texts = list(Sentences(lesson.train))
    counts = Counter(word for text in texts for word in text)
    words = [word for word, number in counts.most_common() if number >= lesson.settings.min_count]
    number_of = {word: number for number, word in enumerate(words)}
    numbers = [number for text in texts for number in (*(number_of.get(word, -1) for word in text), -2)]
    return words, np.array(numbers, dtype=np.int64)
