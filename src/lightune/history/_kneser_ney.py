"""Character n-gram models of several classes at once, by interpolated Kneser-Ney smoothing.

Kneser and Ney 1995; Chen and Goodman 1999, section 2.7. All is arithmetic on sorted arrays: an n-gram is one
integer, its symbols being the digits of a number of base V, and so is an n-gram together with its class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

BEFORE, AFTER, UNKNOWN, NUM_MARKS = 0, 1, 2, 3
MOST_CODES = 2.0**62
LEAST_DISCOUNT, USUAL_DISCOUNT, MOST_DISCOUNT = 0.1, 0.75, 0.95


@dataclass(frozen=True)
class Level:
    """The counts of the n-grams of one length.

    Attributes:
        keys, counts: (G,) sorted numbers of n-gram and class, and how often (or after how many different
            symbols) each occurs.
        contexts, totals, distinct: (K,) likewise the n-grams without their last symbol: the sum of their
            counts, and how many different symbols follow.
        discounts: (C,) what is taken from every count of a class.
    """

    keys: Ints
    counts: NDArray[np.int32]
    contexts: Ints
    totals: NDArray[np.int32]
    distinct: NDArray[np.int32]
    discounts: Floats


class ClassModels:
    """P(symbol | the symbols before it) for each of C classes."""

    def __init__(self, symbols: str, num_classes: int, levels: Sequence[Level]) -> None:
        self.symbols = symbols  # sorted; a symbol's number is its place
        self.num_classes = num_classes
        self.levels = list(levels)

    @property
    def num_symbols(self) -> int:
        """V: all symbols, and the marks before, after and for what is not known."""
        return len(self.symbols) + NUM_MARKS

    def log_probabilities(self, texts: Sequence[str]) -> Floats:
        """(B, C) log P(text | class), the end of the text included."""
        ids, owner = _read(texts, self.symbols, len(self.levels))
        where = np.flatnonzero(ids != BEFORE)
        found = np.zeros((len(texts), self.num_classes))
        for number in range(self.num_classes):
            chances = self.probabilities(ids, where, number)
            found[:, number] = np.bincount(owner[where], weights=np.log(chances), minlength=len(texts))
        return found

    def probabilities(self, ids: Ints, where: Ints, number: int) -> Floats:
        """(P,) the probability of the symbols at the places `where` of `ids`: (N,), in class `number`.

        P(w | h) = (max(c(hw) - D, 0) + D T(h) P(w | h')) / c(h), h' being h without its first symbol.
        """
        base = self.num_symbols
        found = np.full(len(where), 1 / (base - 1))  # the mark before a text is never to be guessed
        codes = np.zeros(len(where), dtype=np.int64)
        for length, level in enumerate(self.levels, 1):
            codes += ids[where - length + 1] * base ** (length - 1)
            counts = _look_up(level.keys, level.counts, codes * self.num_classes + number)
            contexts = codes // base * self.num_classes + number
            totals = _look_up(level.contexts, level.totals, contexts)
            distinct = _look_up(level.contexts, level.distinct, contexts)
            discount = level.discounts[number]
            mixed = np.maximum(counts - discount, 0) + discount * distinct * found
            found = np.where(totals > 0, mixed / np.maximum(totals, 1), found)
        return found


def fit_models(texts: Sequence[str], classes: Ints, num_classes: int, *, order: int) -> ClassModels:
    """Count the n-grams of texts: (B,) of classes: (B,), up to length `order` or as long as numbers reach."""
    symbols = "".join(sorted(set().union(*texts))) if texts else ""
    base = len(symbols) + NUM_MARKS
    while order > 1 and float(base) ** order * num_classes > MOST_CODES:
        order -= 1
    ids, owner = _read(texts, symbols, order)
    where = np.flatnonzero(ids != BEFORE)
    of_class = np.asarray(classes, dtype=np.int64)[owner[where]]
    codes = np.zeros(len(where), dtype=np.int64)
    for length in range(1, order + 1):
        codes += ids[where - length + 1] * base ** (length - 1)
    levels = []
    keys, counts = np.unique(codes * num_classes + of_class, return_counts=True)
    for length in range(order, 0, -1):
        levels.append(_level(keys, counts, base, num_classes))
        if length > 1:  # after how many different symbols each shorter n-gram was seen
            codes, classes_of = np.divmod(keys, num_classes)
            shorter = codes % base ** (length - 1) * num_classes + classes_of
            keys, counts = np.unique(shorter, return_counts=True)
    return ClassModels(symbols, num_classes, levels[::-1])


def _level(keys: Ints, counts: Ints, base: int, num_classes: int) -> Level:
    codes, classes = np.divmod(keys, num_classes)
    contexts, place = np.unique(codes // base * num_classes + classes, return_inverse=True)
    once = np.bincount(classes[counts == 1], minlength=num_classes).astype(np.float64)
    twice = np.bincount(classes[counts == 2], minlength=num_classes)
    discounts = np.divide(once, once + 2 * twice, out=np.full(num_classes, USUAL_DISCOUNT), where=once > 0)
    return Level(
        keys,
        counts.astype(np.int32),
        contexts,
        np.bincount(place, weights=counts).astype(np.int32),
        np.bincount(place).astype(np.int32),
        np.clip(discounts, LEAST_DISCOUNT, MOST_DISCOUNT),
    )


def _read(texts: Sequence[str], symbols: str, order: int) -> tuple[Ints, Ints]:
    """(N,) the numbers of all symbols, marks between the texts, and (N,) which text each belongs to."""
    known = np.array([ord(one) for one in symbols], dtype=np.int64)
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    letters = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    place = np.minimum(np.searchsorted(known, letters), max(len(known) - 1, 0))
    is_known = known[place] == letters if len(known) else np.zeros(len(letters), dtype=bool)
    before = max(order - 1, 1)
    owner = np.repeat(np.arange(len(texts)), lengths + before + 1)
    ids = np.full(len(owner), BEFORE, dtype=np.int64)
    ends = np.cumsum(lengths + before + 1) - 1
    ids[ends] = AFTER
    starts = ends - lengths
    inside = np.arange(len(letters)) + np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
    ids[inside] = np.where(is_known, place + NUM_MARKS, UNKNOWN)
    return ids, owner


def _look_up(keys: Ints, values: NDArray[np.int32], wanted: Ints) -> NDArray[np.int32]:
    """The values of `wanted` keys, 0 for those that are not there."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0)
