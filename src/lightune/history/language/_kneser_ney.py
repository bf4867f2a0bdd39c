"""Interpolated modified Kneser-Ney smoothing over whole numbers, vectorised.

    P(w | h) = (c(hw) - D(c(hw))) / c(h.) + gamma(h) P(w | h')        h' is h without its first word

c counts how often at the highest order and for what follows a text's start; below, it counts how many
different words stand before ("San Francisco" is frequent, but Francisco follows one word only). The three
discounts of each order come from the counts of counts (Chen and Goodman 1999, equation 17):
D(c) = c - (c + 1) Y n(c+1) / n(c) with Y = n(1) / (n(1) + 2 n(2)). Single words are interpolated with the
uniform distribution.

An n-gram is one 64-bit key: (number of its first n-1 words as an n-gram of order n-1) * V + last word. Keys
are sorted, so that what follows a context lies side by side and a lookup is a binary search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
UNKNOWN, START, STOP = 0, 1, 2
FIRST = 3  # the first number of an ordinary word
FALLBACK = (0.5, 1.0, 1.5)  # discounts where the counts of counts allow none, as in toy corpora
NEVER = -99.0  # log10 of a probability of 0 in ARPA files; the start of a text is never predicted
ABSENT = -1


@dataclass(frozen=True)
class Order:
    """The n-grams of one length.

    Attributes:
        keys: (G,) sorted; of single words just their numbers.
        log_probability: (G,) natural log of P(last word | words before it), float32.
        log_backoff: (G,) natural log of gamma where the n-gram is the context, 0 where nothing follows it.
    """

    keys: IntArray
    log_probability: NDArray[np.float32]
    log_backoff: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True)
class Table:
    """The n-grams of all lengths over V words, numbered 0 to V - 1."""

    orders: tuple[Order, ...]
    num_words: int
    discounts: tuple[tuple[float, float, float], ...] = ()

    def find(self, order: int, contexts: IntArray, words: IntArray) -> IntArray:
        """The numbers of n-grams from those of their contexts and their last words; ABSENT where unseen.

        Args:
            order: 2 for pairs, and so on; contexts, words: (T,).
        """
        keys = self.orders[order - 1].keys
        wanted = np.where(contexts == ABSENT, ABSENT, contexts * self.num_words + words)
        place = (
            np.minimum(np.searchsorted(keys, wanted), len(keys) - 1) if len(keys) else np.zeros_like(wanted)
        )
        is_there = (keys[place] == wanted) if len(keys) else np.zeros(len(wanted), dtype=bool)
        return np.where(is_there, place, ABSENT)

    def score(self, words: IntArray) -> FloatArray:
        """Natural logs of P(word | words before it in its text): (T,).

        Args:
            words: (T,) texts one after another, each with START and STOP; START itself gets 0.
        """
        ending = words.astype(np.int64)  # the n-gram of the current length that ends at each place
        starts = np.flatnonzero(words == START)
        place = np.arange(len(words)) - np.repeat(starts, np.diff(np.append(starts, len(words))))
        scores = self.orders[0].log_probability[ending].astype(np.float64)
        for order in range(2, len(self.orders) + 1):
            context = np.concatenate([[ABSENT], ending[:-1]])
            context[place < order - 1] = ABSENT
            ending = self.find(order, context, words)
            below, here = self.orders[order - 2], self.orders[order - 1]
            backed_off = scores + np.where(context == ABSENT, 0.0, below.log_backoff[context])
            seen = here.log_probability[ending] if len(here) else backed_off
            scores = np.where(ending == ABSENT, backed_off, seen)
        scores[starts] = 0
        return scores

    def distribution(self, words: Sequence[int]) -> FloatArray:
        """(V,) P(next word | the words so far), which begin with START; sums to 1."""
        shares = np.exp(self.orders[0].log_probability.astype(np.float64))
        shares[START] = 0
        for order in range(2, min(len(self.orders), len(words) + 1) + 1):
            context = self._context(words[-(order - 1) :])
            if context == ABSENT:
                break
            here = self.orders[order - 1]
            bounds = np.array([context, context + 1]) * self.num_words
            first, last = np.searchsorted(here.keys, bounds)
            shares *= np.exp(float(self.orders[order - 2].log_backoff[context]))
            following = here.keys[first:last] - context * self.num_words
            shares[following] = np.exp(here.log_probability[first:last].astype(np.float64))
        return shares

    def _context(self, words: Sequence[int]) -> int:
        found = np.array([words[0]])
        for order, word in enumerate(words[1:], start=2):
            found = self.find(order, found, np.array([word]))
        return int(found[0])

    def words_of(self, order: int) -> IntArray:
        """(G, order) the words of every n-gram of this length."""
        columns = []
        numbers = np.arange(len(self.orders[order - 1]))
        for length in range(order, 1, -1):
            keys = np.asarray(self.orders[length - 1].keys)[numbers]
            numbers, last = np.divmod(keys, self.num_words)
            columns.append(last)
        return np.stack([numbers, *columns[::-1]], axis=1)

    def save(self, folder: Path) -> None:
        """Write three .npy files an order, which `load` maps into memory without reading them."""
        for number, order in enumerate(self.orders, start=1):
            for name, array in vars(order).items():
                np.save(
                    folder / f"order-{number}-{name}.npy", np.ascontiguousarray(array), allow_pickle=False
                )


def load_table(folder: Path, num_orders: int, num_words: int) -> Table:
    """Open what `Table.save` wrote: memory-mapped, so that opening is quick and memory is shared."""

    def array(number: int, name: str) -> Any:
        return np.load(folder / f"order-{number}-{name}.npy", mmap_mode="r", allow_pickle=False)

    names = ("keys", "log_probability", "log_backoff")
    orders = (Order(*(array(number, name) for name in names)) for number in range(1, num_orders + 1))
    return Table(tuple(orders), num_words)


@dataclass(frozen=True)
class Counted:
    """The n-grams of one length as counted.

    Attributes:
        keys: (G,); counts: (G,) how often each stands in the texts; suffixes: (G,) its number without its
            first word, at the order below; begins: (G,) whether its first word is START.
    """

    keys: IntArray
    counts: IntArray
    suffixes: IntArray
    begins: NDArray[np.bool_]


def learn_table(words: IntArray, num_words: int, num_orders: int) -> Table:
    """Count and smooth.

    Args:
        words: (T,) texts one after another, each with START and STOP.
        num_words: V, the three special ones included.
    """
    return smooth(count(words, num_words, num_orders), num_words)


def count(words: IntArray, num_words: int, num_orders: int) -> list[Counted]:
    """Every n-gram of every length up to `num_orders`, by sorting."""
    words = np.asarray(words, dtype=np.int64)
    number_of, is_whole = words, np.ones(len(words), dtype=bool)  # of the n-gram that begins at each place
    begins = np.arange(num_words) == START
    single = np.bincount(words, minlength=num_words)
    found = [Counted(np.arange(num_words), single, np.zeros(num_words, dtype=np.int64), begins)]
    for order in range(2, num_orders + 1):
        places = np.flatnonzero(is_whole[: len(words) - order + 1] & (words[order - 1 :] != START))
        keys = number_of[places] * num_words + words[places + order - 1]
        unique, first, inverse, counts = np.unique(
            keys, return_index=True, return_inverse=True, return_counts=True
        )
        suffixes = number_of[places[first] + 1]
        found.append(Counted(unique, counts, suffixes, words[places[first]] == START))
        longer = np.full(len(words), ABSENT)
        longer[places] = inverse
        is_whole = np.zeros(len(words), dtype=bool)
        is_whole[places] = True
        number_of = longer
    return found


def smooth(counted: Sequence[Counted], num_words: int) -> Table:
    """Probabilities and back-off weights from counts."""
    orders: list[Order] = []
    discounts = []
    probability = np.full(num_words, 1.0 / (num_words - 1))  # uniform, START left out
    for number, one in enumerate(counted):
        counts = _adjusted(counted, number)
        discount = _discounts(counts)
        taken = np.concatenate([[0.0], discount])[np.minimum(counts, 3)]
        contexts = one.keys // num_words if number else np.zeros(num_words, dtype=np.int64)
        num_contexts = len(counted[number - 1].keys) if number else 1
        total = np.bincount(contexts, weights=counts, minlength=num_contexts)
        freed = np.bincount(contexts, weights=taken, minlength=num_contexts)
        backoff = np.divide(freed, total, out=np.ones(num_contexts), where=total > 0)
        below = probability[one.suffixes] if number else probability
        probability = (counts - taken) / np.maximum(total[contexts], 1) + backoff[contexts] * below
        if number:
            orders[-1] = Order(
                orders[-1].keys, orders[-1].log_probability, np.log(backoff).astype(np.float32)
            )
        log_probability = np.log(probability)
        if number == 0:
            log_probability[START] = NEVER * np.log(10)
        orders.append(
            Order(one.keys, log_probability.astype(np.float32), np.zeros(len(one.keys), dtype=np.float32))
        )
        discounts.append(discount)
    return Table(tuple(orders), num_words, tuple(discounts))


def _adjusted(counted: Sequence[Counted], number: int) -> IntArray:
    """How often at the highest order and after START, else how many different words stand before."""
    one = counted[number]
    if number == len(counted) - 1:
        counts = one.counts.copy()
    else:
        before = np.bincount(counted[number + 1].suffixes, minlength=len(one.keys))
        counts = np.where(one.begins, one.counts, before)
    if number == 0:
        counts[START] = 0
    return counts


def _discounts(counts: IntArray) -> tuple[float, float, float]:
    """D(1), D(2) and D(3 and more); FALLBACK where too few n-grams are rare."""
    rare = np.bincount(np.minimum(counts, 5), minlength=6)
    if (rare[1:5] == 0).any():
        return FALLBACK
    share = rare[1] / (rare[1] + 2 * rare[2])
    found = tuple(float(c - (c + 1) * share * rare[c + 1] / rare[c]) for c in (1, 2, 3))
    if any(not 0 <= one <= c for c, one in enumerate(found, start=1)):
        return FALLBACK
    return found[0], found[1], found[2]
