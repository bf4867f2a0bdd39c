"""Splits keep classes present, groups whole and equal texts together, and repeat exactly."""

from __future__ import annotations

from collections import Counter

import pytest

from lightune.core.errors import UserError
from lightune.core.rows import Example
from lightune.data.settings import DataSettings
from lightune.data.split import Partition, k_folds, split

SETTINGS = DataSettings()
PARTS = (0.1, 0.2)


def examples(labels: list[str]) -> list[Example]:
    return [Example((f"text {n}",), label, n) for n, label in enumerate(labels)]


def parts_of(found: Partition) -> list[list[int]]:
    return [found.train, found.validation, found.test]


def test_classes_keep_their_shares() -> None:
    data = examples(["a"] * 700 + ["b"] * 250 + ["c"] * 47 + ["d"] * 3)
    found = split(data, SETTINGS, seed=0, is_classes=True, groups=None, parts=PARTS)
    counts = [Counter(data[n].gold for n in part) for part in parts_of(found)]
    assert counts[1] == {"a": 70, "b": 25, "c": 5, "d": 1}
    assert counts[2] == {"a": 140, "b": 50, "c": 9, "d": 1}
    assert sorted(n for part in parts_of(found) for n in part) == list(range(1000))
    assert all(part == sorted(part) for part in parts_of(found))


def test_seed_decides() -> None:
    data = examples(["a", "b"] * 100)
    first, again, other = (split(data, SETTINGS, seed=s, is_classes=True, parts=PARTS) for s in (1, 1, 2))
    assert first == again
    assert first.test != other.test


def test_lone_examples_are_trained_on() -> None:
    found = split(examples(["a"] * 50 + ["b", "c", "c"]), SETTINGS, seed=0, is_classes=True, parts=PARTS)
    assert {50, 51, 52} <= set(found.train)


def test_equal_texts_and_groups_stay_together() -> None:
    data = [
        Example((f"Text {n // 3}  x" if n % 2 else f"text {n // 3} X",), "ab"[n % 2], n) for n in range(300)
    ]
    found = split(data, SETTINGS, seed=0, is_classes=True, parts=PARTS)
    texts = [{n // 3 for n in part} for part in parts_of(found)]
    assert not texts[0] & texts[1] and not texts[0] & texts[2] and not texts[1] & texts[2]
    groups = [n // 15 for n in range(300)]
    found = split(data, SETTINGS, seed=0, is_classes=True, groups=groups, parts=PARTS)
    kept = [{groups[n] for n in part} for part in parts_of(found)]
    assert sum(map(len, kept)) == 20
    assert [len(part) for part in parts_of(found)] == [210, 30, 60]


def test_numbers_are_spread() -> None:
    data = [Example((f"t{n}",), float(n), n) for n in range(200)]
    found = split(data, SETTINGS, seed=0, is_classes=False, parts=PARTS)
    assert abs(sum(found.test) / len(found.test) - 100) < 12
    assert len(found.test) == 40


def test_empty_parts_and_several_labels() -> None:
    data = [Example((f"t{n}",), ["a", "b"] if n % 10 == 0 else ["a"], n) for n in range(100)]
    found = split(data, SETTINGS, seed=0, is_classes=True, parts=(0.2, 0.0))
    assert (len(found.validation), found.test) == (20, [])
    assert sum(len(data[n].gold) == 2 for n in found.validation) == 2


def test_too_few_groups() -> None:
    with pytest.raises(UserError, match="2 different texts or groups"):
        split(
            examples(["a"] * 9),
            SETTINGS,
            seed=0,
            is_classes=True,
            groups=[n % 2 for n in range(9)],
            parts=PARTS,
        )


def test_folds_hold_out_everything_once() -> None:
    data = examples(["a"] * 40 + ["b"] * 13)
    folds = k_folds(data, 5, seed=0, is_classes=True, groups=None)
    assert sorted(n for _, held in folds for n in held) == list(range(53))
    for train, held in folds:
        assert not set(train) & set(held)
        assert len(train) + len(held) == 53
        counts = Counter(data[n].gold for n in held)
        assert counts["a"] == 8
        assert counts["b"] in {2, 3}
    with pytest.raises(UserError, match="cannot make 60 folds"):
        k_folds(data, 60, seed=0, is_classes=True, groups=None)


def test_class_of_repeated_texts_is_in_every_part() -> None:
    data = examples(["a"] * 80) + [Example((f"twice {n // 2}",), "b", n) for n in range(8)]
    found = split(data, SETTINGS, seed=0, is_classes=True, parts=(0.1, 0.1))
    assert [Counter(data[n].gold for n in part)["b"] for part in parts_of(found)] == [4, 2, 2]
