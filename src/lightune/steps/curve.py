"""The learning curve: the same rungs on fewer labels, each set part of the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.core.tokens import Ints
from lightune.steps.climb import Ladder


def check_sizes(ladder: Ladder, sizes: Sequence[int]) -> list[int]:
    """The sizes in order, each once.

    Raises:
        UserError: more rows than there are to learn from, or fewer than two.
    """
    found = sorted(set(sizes))
    most = len(ladder.pool)
    for size in found:
        if not 2 <= size <= most:
            hint = f"There are {most} rows to learn from (and {len(ladder.gathered.test)} to test)."
            raise UserError(f"--sizes cannot hold {size}", hint=hint)
    return found


def smaller(ladder: Ladder, size: int) -> Ladder:
    """The ladder with `size` labels in all: as large a share of them validates as of the whole."""
    gathered = ladder.gathered
    chosen = in_even_order(ladder, ladder.pool)[:size]
    if not len(gathered.test):  # the validation rows are what is tested
        return _with_rows(ladder, chosen, gathered.validation)
    share = len(gathered.validation) / len(ladder.pool)
    held = np.zeros(len(chosen), dtype=bool)
    held[np.floor(np.arange(1, size + 1) * share) > np.floor(np.arange(size) * share)] = True
    return _with_rows(ladder, chosen[~held], chosen[held])


def _with_rows(ladder: Ladder, train: Ints, validation: Ints) -> Ladder:
    """The same, quietly, with other rows to learn from."""
    fewer = replace(ladder.gathered, train=train, validation=validation)
    reading = ladder.reading * len(train) / max(len(ladder.gathered.examples), 1)
    return replace(ladder, gathered=fewer, show=Show(is_quiet=True), reading=reading)


def in_even_order(ladder: Ladder, rows: Ints) -> Ints:
    """Rows in a random order in which every beginning has the classes in the same shares."""
    order = np.random.default_rng(ladder.request.seed).permutation(rows)
    if ladder.gathered.task.kind != "classes":
        return order
    classes = [example.gold for example in ladder.gathered.part(order)]
    counts = Counter(classes)
    seen: Counter[str] = Counter()
    place = np.empty(len(order))
    for number, one in enumerate(classes):
        place[number] = (seen[one] + 0.5) / counts[one]
        seen[one] += 1
    return np.asarray(order[np.argsort(place, kind="stable")])
