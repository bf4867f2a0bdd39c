"""Which rows go together: length-bucketed steps under a token budget, never padded to a fixed length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lightune.core.randomness import generator
from lightune.core.tokens import Ints, Tokens

STEPS_A_BUCKET = 50  # rows are sorted by length within so many steps' worth: little padding, good mixing


@dataclass(frozen=True)
class Step:
    """One optimiser step: its rows, in pieces that each fit the token budget."""

    pieces: tuple[Ints, ...]

    @property
    def num_rows(self) -> int:
        """Rows of all pieces."""
        return sum(len(piece) for piece in self.pieces)


def epoch_steps(
    tokens: Tokens, rows: Ints, *, batch_rows: int, batch_tokens: int, seed: int, epoch: int
) -> list[Step]:
    """The steps of one epoch, each row once; the same for the same seed and epoch."""
    random = generator(seed, 1, epoch)
    shuffled = random.permutation(rows)
    steps: list[Step] = []
    lengths = tokens.example_lengths
    bucket = batch_rows * STEPS_A_BUCKET
    for start in range(0, len(shuffled), bucket):
        part = shuffled[start : start + bucket]
        part = part[np.argsort(lengths[part], kind="stable")]
        groups = [part[a : a + batch_rows] for a in range(0, len(part), batch_rows)]
        order = random.permutation(len(groups))
        steps += [Step(tuple(pieces(tokens, groups[place], batch_tokens))) for place in order]
    return steps


def pieces(tokens: Tokens, rows: Ints, batch_tokens: int) -> Iterator[Ints]:
    """Cut `rows` (kept in order) into runs whose padded size stays under the budget; one row at least."""
    longest_of = tokens.example_lengths
    windows = np.diff(tokens.windows)
    start, longest, sequences = 0, 0, 0
    for place, row in enumerate(rows):
        grown = max(longest, int(longest_of[row]))
        if place > start and grown * (sequences + int(windows[row])) > batch_tokens:
            yield rows[start:place]
            start, longest, sequences = place, int(longest_of[row]), int(windows[row])
        else:
            longest, sequences = grown, sequences + int(windows[row])
    if start < len(rows):
        yield rows[start:]


def reading_batches(tokens: Tokens, rows: Ints, batch_tokens: int) -> list[Ints]:
    """All rows in batches of like length, longest first: what does not fit is found out at once."""
    order = np.argsort(-tokens.example_lengths[rows], kind="stable")
    return list(pieces(tokens, np.asarray(rows)[order], batch_tokens))


def sequence_batches(lengths: Ints, sequences: Ints, batch_tokens: int) -> list[Ints]:
    """Sequences (not rows) in batches of like length under the budget."""
    whole = Tokens(
        np.zeros(0, np.int32), None, np.concatenate([[0], np.cumsum(lengths)]), np.arange(len(lengths) + 1)
    )
    return reading_batches(whole, sequences, batch_tokens)
