"""Which rows are close to which, by the cosine of their vectors: near-duplicates, leaks, outliers, examples.

All of it runs on vectors (E, H) that the activation store holds; E x E cosines are made in blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
BLOCK = 1024
CLOSE_STATES = 0.9  # cosine of near-duplicates
CLOSE_LETTERS = 0.7  # Dice coefficient of their character triples: states alone take like topics for likeness
NEAREST = 10
FAR_OUT = 3.0  # Tukey 1977: beyond the upper quartile by three times the distance of the quartiles


@dataclass(frozen=True)
class Pair:
    """Two rows that are alike, `first` before `second`, with the cosine of their vectors."""

    first: int
    second: int
    cosine: float


def directions(vectors: NDArray[Any]) -> Floats:
    """Vectors (E, H) of length 1, without what all share: their states all lean one way."""
    moved = np.asarray(vectors, dtype=np.float32)
    moved = moved - moved.mean(axis=0)
    return np.asarray(
        moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-9), dtype=np.float32
    )


def nearest(
    wanted: NDArray[Any], known: NDArray[Any], number: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(Q, K) numbers of the nearest of `known` (E, H) to each of `wanted` (Q, H), best first, and cosines."""
    number = min(number, len(known))
    places = np.zeros((len(wanted), number), dtype=np.int64)
    cosines = np.zeros((len(wanted), number), dtype=np.float32)
    for start in range(0, len(wanted), BLOCK):
        found = wanted[start : start + BLOCK] @ known.T
        top = np.argpartition(-found, number - 1, axis=1)[:, :number]
        close = np.take_along_axis(found, top, axis=1)
        order = np.argsort(-close, axis=1, kind="stable")
        places[start : start + BLOCK] = np.take_along_axis(top, order, axis=1)
        cosines[start : start + BLOCK] = np.take_along_axis(close, order, axis=1)
    return places, cosines


def near_duplicates(texts: Sequence[str], vectors: NDArray[Any]) -> list[Pair]:
    """Pairs of rows that say nearly the same, the most alike first; equal texts are not among them.

    Args:
        texts: E of them.
        vectors: (E, H) as `directions` makes them.
    """
    places, cosines = nearest(vectors, vectors, NEAREST + 1)
    plain = [" ".join(text.casefold().split()) for text in texts]
    found: dict[tuple[int, int], Pair] = {}
    for row, column in np.argwhere(cosines >= CLOSE_STATES):
        one, other = sorted((int(row), int(places[row, column])))
        if one == other or plain[one] == plain[other] or (one, other) in found:
            continue
        if letters_alike(plain[one], plain[other]) >= CLOSE_LETTERS:
            found[one, other] = Pair(one, other, min(1.0, float(cosines[row, column])))
    return sorted(found.values(), key=lambda pair: (-pair.cosine, pair.first, pair.second))


def letters_alike(one: str, other: str) -> float:
    """The Dice coefficient of two texts' character triples: 1 for equal ones, 0 for nothing in common."""
    first, second = _triples(one), _triples(other)
    return 2 * len(first & second) / max(1, len(first) + len(second))


def _triples(text: str) -> set[str]:
    return {text[start : start + 3] for start in range(max(1, len(text) - 2))}


def outliers(vectors: NDArray[Any]) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """(E,) whether a row lies far from all others, and (E,) 1 - mean cosine of its ten nearest."""
    if len(vectors) <= NEAREST + 1:
        return np.zeros(len(vectors), dtype=bool), np.zeros(len(vectors), dtype=np.float32)
    _, cosines = nearest(vectors, vectors, NEAREST + 1)
    distance = 1 - cosines[:, 1:].mean(axis=1)
    low, high = np.quantile(distance, (0.25, 0.75))
    return distance > high + FAR_OUT * (high - low), distance
