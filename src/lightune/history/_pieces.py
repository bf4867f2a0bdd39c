"""Texts as weighted counts of their pieces: words, pairs of words, parts of words, characters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightune.history.base import Texts

# Chinese characters, Japanese kana, Thai, Lao, Myanmar, Khmer: written without spaces between words.
WITHOUT_SPACES = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
WORD_OR_SIGN = r"\w+|[^\w\s]"
MAX_FEATURES, MAX_WORDS = 200_000, 50_000
# Parts of words add 1.7 points (0.773 -> 0.790, 4,000 movie sentences, four random splits, 2026-11), but
# counting them in long texts takes minutes.
MOST_CHARACTERS_FOR_LETTERS = 3_000_000


def pair_columns(sides: Sequence[Any]) -> list[Any]:
    """[a], or for pairs [a, b, |a - b|, a * b]: what tells how alike two vectors are, place by place."""
    if len(sides) != 2:
        return list(sides)
    first, second = sides
    product = first.multiply(second) if hasattr(first, "multiply") else first * second
    return [first, second, abs(first - second), product]


def row_features(texts: Texts, vectors_of: Any) -> Any:
    """The sparse vectors of the rows: (B, V), and for pairs (B, 4V).

    Args:
        vectors_of: a column of texts -> their vectors (B, V).
    """
    from scipy import sparse

    return sparse.hstack(pair_columns([vectors_of(side) for side in zip(*texts, strict=True)]), format="csr")


def side_by_side(texts: Texts, vectors_of: Any) -> Any:
    """The sparse vectors of the rows: (B, V), and for pairs (B, 2V)."""
    from scipy import sparse

    return sparse.hstack([vectors_of(side) for side in zip(*texts, strict=True)], format="csr")


def is_written_without_spaces(texts: Sequence[str]) -> bool:
    """Whether most letters of the texts belong to scripts that put no space between words."""
    start = "".join(text[:200] for text in texts[:2000])
    letters = sum(character.isalpha() for character in start)
    return len(WITHOUT_SPACES.findall(start)) > letters / 2


class Pieces:
    """Two or more TF-IDF vectorizers side by side: text -> (B, sum of their widths)."""

    def __init__(self, vectorizers: Sequence[Any]) -> None:
        self.vectorizers = vectorizers

    def fit_transform(self, texts: Sequence[str]) -> Any:
        """Count the pieces and weigh them; a vectorizer that finds none in the texts is left out."""
        found = [(one, _fit_transform(one, texts)) for one in self.vectorizers]
        self.vectorizers = [one for one, weights in found if weights is not None]
        return self._beside([weights for _, weights in found if weights is not None], len(texts))

    def transform(self, texts: Sequence[str]) -> Any:
        """The weights of the pieces of each text."""
        return self._beside([one.transform(texts) for one in self.vectorizers], len(texts))

    @staticmethod
    def _beside(columns: Sequence[Any], num_rows: int) -> Any:
        from scipy import sparse

        if not columns:  # texts without a word: every row looks the same
            return sparse.csr_matrix((num_rows, 1), dtype=np.float64)
        return sparse.hstack(columns, format="csr")


def _fit_transform(vectorizer: Any, texts: Sequence[str]) -> Any:
    """The weights of what `vectorizer` counts; None when the texts hold nothing of it."""
    try:
        return vectorizer.fit_transform(texts)
    except ValueError:
        return None


def fit_vectorizer(texts: Sequence[str], *, num_rows: int) -> tuple[Pieces, Any]:
    """A fitted vectorizer, and the weights of `texts`."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    # Words seen once only slow it down, unless there are few rows.
    common = {"sublinear_tf": True, "min_df": 2 if num_rows >= 1000 else 1, "max_features": MAX_FEATURES}
    if is_written_without_spaces(texts):
        pieces = Pieces([TfidfVectorizer(analyzer="char", ngram_range=(1, 3), **common)])
    else:
        chosen = [TfidfVectorizer(token_pattern=WORD_OR_SIGN, ngram_range=(1, 2), **common)]
        if sum(map(len, texts)) <= MOST_CHARACTERS_FOR_LETTERS:
            chosen.append(TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), **common))
        pieces = Pieces(chosen)
    return pieces, pieces.fit_transform(texts)


def pieces_of(text: str, *, is_spaced: bool) -> list[str]:
    """The words and signs of a text in small letters; its characters where nothing parts words."""
    return re.findall(WORD_OR_SIGN if is_spaced else r"\S", text.lower())


class Vocabulary:
    """Words with numbers from 1, the most frequent first; 0 is for all others.

    Args:
        texts: where they come from.
        least: how often a word must occur to be in it.
    """

    def __init__(self, texts: Sequence[str], *, least: int = 1, most: int = MAX_WORDS) -> None:
        self.is_spaced = not is_written_without_spaces(texts)
        counts = Counter(word for text in texts for word in pieces_of(text, is_spaced=self.is_spaced))
        kept = sorted((word for word in counts if counts[word] >= least), key=lambda one: (-counts[one], one))
        self.known = {word: number for number, word in enumerate(kept[:most], 1)}

    @property
    def size(self) -> int:
        """How many numbers there are, 0 included."""
        return len(self.known) + 1

    def numbers(self, text: str) -> NDArray[np.int64]:
        """(T,) the numbers of a text's words."""
        found = (self.known.get(word, 0) for word in pieces_of(text, is_spaced=self.is_spaced))
        return np.fromiter(found, dtype=np.int64)


def fit_counts(texts: Texts) -> Pieces:
    """A fitted counter of words, or of one or two characters where nothing parts words."""
    from sklearn.feature_extraction.text import CountVectorizer

    flat = [text for row in texts for text in row]
    how: dict[str, Any] = {"max_features": MAX_FEATURES, "dtype": np.float64}
    if is_written_without_spaces(flat):
        counter = CountVectorizer(analyzer="char", ngram_range=(1, 2), **how)
    else:
        counter = CountVectorizer(token_pattern=WORD_OR_SIGN, **how)
    pieces = Pieces([counter])
    pieces.fit_transform(flat)
    return pieces
