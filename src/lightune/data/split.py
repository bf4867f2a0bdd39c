"""Rows to training, validation and test: stratified by label, groups and equal texts kept together."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from lightune.core.errors import UserError
from lightune.core.randomness import generator
from lightune.core.rows import Example
from lightune.data.profile import to_number
from lightune.data.settings import DataSettings

NUM_BINS = 10  # strata of numeric labels
SPLIT, FOLDS = 1, 2  # independent random streams


@dataclass(frozen=True)
class Partition:
    """Positions of the examples in each part, in file order."""

    train: list[int]
    validation: list[int]
    test: list[int]


def split(
    examples: Sequence[Example],
    settings: DataSettings,
    *,
    seed: int,
    is_classes: bool,
    groups: Sequence[object] | None = None,
    parts: tuple[float, float] | None = None,
) -> Partition:
    """Part the examples; the same arguments give the same parts.

    Args:
        examples: labelled examples; equal texts always fall in one part.
        settings: the fractions used when `parts` is None.
        seed: of the shuffle.
        is_classes: gold answers are labels (or lists of labels) rather than numbers.
        groups: one value an example; examples of one value fall in one part.
        parts: fractions for (validation, test); 0 leaves a part empty.

    Raises:
        UserError: too few groups to fill the parts.
    """
    validation, test = parts or (settings.validation_fraction, settings.test_fraction)
    strata = _strata(examples, is_classes)
    units = _units(examples, groups)
    fractions = [1 - validation - test, validation, test]
    wanted = sum(fraction > 0 for fraction in fractions)
    if len(units) < wanted:
        hint = "Give more rows, or another column to --data.group." if groups else "Give more rows."
        raise UserError(f"{len(units)} different texts or groups cannot fill {wanted} splits", hint=hint)
    targets = {name: _targets(count, fractions) for name, count in Counter(strata).items()}
    found = _fill(units, strata, targets, generator(seed, SPLIT))
    return Partition(*found)


def k_folds(
    examples: Sequence[Example],
    k: int,
    *,
    seed: int,
    is_classes: bool,
    groups: Sequence[object] | None = None,
) -> list[tuple[list[int], list[int]]]:
    """(training, held-out) positions of `k` folds; every example is held out exactly once.

    Raises:
        UserError: fewer than two folds, or more folds than different texts or groups.
    """
    units = _units(examples, groups)
    if not 2 <= k <= len(units):
        raise UserError(
            f"cannot make {k} folds of {len(units)} different texts or groups", hint="Choose 2 to 10."
        )
    strata = _strata(examples, is_classes)
    targets = {name: [count / k] * k for name, count in Counter(strata).items()}
    folds = _fill(units, strata, targets, generator(seed, FOLDS))
    everything = set(range(len(examples)))
    return [(sorted(everything.difference(fold)), fold) for fold in folds]


def _targets(count: int, fractions: list[float]) -> list[float]:
    """How many examples of a class each part should get; from 3 on, at least one each."""
    least = 1 if count >= 3 else 0
    held_out = [max(least, round(count * f)) if f > 0 else 0 for f in fractions[1:]]
    while sum(held_out) >= count and max(held_out, default=0) > 0:
        held_out[held_out.index(max(held_out))] -= 1
    return [count - sum(held_out), *held_out]


def _fill(
    units: list[list[int]],
    strata: Sequence[Hashable],
    targets: dict[Hashable, list[float]],
    random: np.random.Generator,
) -> list[list[int]]:
    """Put each unit, large ones first, where its classes are missed most; positions sorted by part."""
    num_parts = len(next(iter(targets.values()), [0.0, 0.0, 0.0]))
    missing = {name: list(counts) for name, counts in targets.items()}
    total = [sum(counts[part] for counts in targets.values()) for part in range(num_parts)]
    parts: list[list[int]] = [[] for _ in range(num_parts)]
    order = sorted(random.permutation(len(units)).tolist(), key=lambda number: -len(units[number]))
    reserved = _reserve(order, units, strata, targets)
    for number in [*reserved, *(number for number in order if number not in reserved)]:
        unit = units[number]
        names = Counter(strata[position] for position in unit) if len(unit) > 1 else {strata[unit[0]]: 1}
        best = reserved.get(number, -1)
        if best < 0:
            needs = [
                (sum(missing[name][part] * size for name, size in names.items()), total[part])
                for part in range(num_parts)
            ]
            best = needs.index(max(needs))
        parts[best] += unit
        for name, size in names.items():
            missing[name][best] -= size
        total[best] -= len(unit)
    return [sorted(part) for part in parts]


def _reserve(
    order: list[int],
    units: list[list[int]],
    strata: Sequence[Hashable],
    targets: dict[Hashable, list[float]],
) -> dict[int, int]:
    """Unit -> part, so that each class with enough units is in every part: the smallest are held out.

    Without it, a class of equal texts (units larger than the held-out targets) would all be trained on.
    """
    members: defaultdict[Hashable, list[int]] = defaultdict(list)
    for number in reversed(order):  # the smallest first
        for name in {strata[position] for position in units[number]}:
            members[name].append(number)
    reserved: dict[int, int] = {}
    for name, numbers in members.items():
        wanted = [part for part, count in enumerate(targets[name]) if part and count >= 1]
        if len(numbers) <= len(wanted):
            continue
        present = {reserved[number] for number in numbers if number in reserved}
        free = [number for number in numbers if number not in reserved]
        # At least one stays for the first part.
        absent = [part for part in wanted if part not in present]
        reserved.update(zip(free[: max(0, len(free) - 1)], absent, strict=False))
    return reserved


def _strata(examples: Sequence[Example], is_classes: bool) -> list[Hashable]:
    """What each example counts as: its label, its rarest label if it has several, or a bin of its number."""
    if is_classes:
        lists = [e.gold if isinstance(e.gold, (list, tuple, set)) else [e.gold] for e in examples]
        counts = Counter(name for names in lists for name in names)
        return [min(names, key=lambda name: (counts[name], str(name)), default=None) for names in lists]
    numbers = np.array([to_number(example.gold) or 0.0 for example in examples])
    edges = np.quantile(numbers, np.linspace(0, 1, NUM_BINS + 1)[1:-1]) if len(numbers) else np.zeros(0)
    return [int(number) for number in np.searchsorted(edges, numbers)]


def _units(examples: Sequence[Example], groups: Sequence[object] | None) -> list[list[int]]:
    """Positions that must stay together: equal texts, equal groups, and chains of the two."""
    parent = list(range(len(examples)))

    def root(position: int) -> int:
        while parent[position] != position:
            parent[position] = parent[parent[position]]
            position = parent[position]
        return position

    first: dict[object, int] = {}
    for position, example in enumerate(examples):
        keys: list[object] = [("text", normalised(example.texts))]
        if groups is not None and groups[position] not in (None, ""):
            keys.append(("group", _as_key(groups[position])))
        for key in keys:
            parent[root(position)] = root(first.setdefault(key, position))
    members: defaultdict[int, list[int]] = defaultdict(list)
    for position in range(len(examples)):
        members[root(position)].append(position)
    return list(members.values())


def _as_key(group: object) -> Hashable:
    """A value of a column: a list or an object by what it shows."""
    return group if isinstance(group, Hashable) else repr(group)


def normalised(texts: Sequence[str]) -> int:
    """A hash that is equal for texts that differ in case and blanks only."""
    return hash(tuple(" ".join(text.casefold().split()) for text in texts))
