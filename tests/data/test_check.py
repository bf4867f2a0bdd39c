"""Each kind of problem is found at its line, and clean data has none."""

from __future__ import annotations

import time
from typing import Any

import pytest

from lightune.core.rows import Decisions, Problem, Row, Splits, Table
from lightune.data.check import check, drop_unusable
from lightune.data.columns import Columns

COLUMNS = Columns(("text",), "label", Decisions())
CLEAN = [(f"text {n}", "pos" if n % 2 else "neg") for n in range(40)]


def table(rows: list[tuple[Any, Any]], file: str = "a.csv") -> Table:
    made = [Row(n, {"text": text, "label": label}, file, n + 2) for n, (text, label) in enumerate(rows)]
    return Table(made, ["text", "label"], file, "delimited")


def problems(extra: list[tuple[Any, Any]], task: str | None = "classify", **parts: Table) -> list[Problem]:
    return check(Splits(train=table(CLEAN + extra), **parts), COLUMNS, task=task)  # type: ignore[arg-type]


def test_clean_data_has_no_problem() -> None:
    assert problems([]) == []


@pytest.mark.parametrize(
    ("row", "kind", "words"),
    [
        (("", "pos"), "empty_text", "'text' is empty"),
        (("  ", "pos"), "empty_text", "left out"),
        (("new", None), "missing_label", "'label' is empty"),
        (("Text  1", "pos"), "duplicate_row", "a.csv line 3"),
        (("text 1", "neg"), "conflicting_labels", "'pos' in a.csv line 3"),
        (("it\u00e2\u20ac\u2122s", "pos"), "broken_encoding", "UTF-8"),
        (("caf\u00c3\u00a9", "pos"), "broken_encoding", "UTF-8"),
        (("caf\ufffd", "pos"), "broken_encoding", "lost"),
        (("n\x00u\x00l", "pos"), "broken_encoding", "UTF-16"),
        (("new", "Pos"), "label_spelling", "'pos'"),
        (("new", " pos"), "label_spelling", "blanks"),
        (("word " * 500, "pos"), "long_text", "500"),
        (("很" * 500, "pos"), "long_text", "5"),
    ],
)
def test_problem_of_a_row(row: tuple[Any, Any], kind: str, words: str) -> None:
    found = [problem for problem in problems([row]) if problem.kind == kind]
    assert len(found) == 1
    assert words in found[0].message
    assert (found[0].file, found[0].line, found[0].row, found[0].is_fatal) == ("a.csv", 42, 40, False)


def test_accents_are_not_broken() -> None:
    assert problems([("Ãgua é boa, “dito” — très bien", "pos"), ("São João € 5", "neg")]) == []


def test_leaks_and_unseen_labels() -> None:
    test = table([("TEXT 1", "pos"), ("other", "pso")], "test.csv")
    found = problems([], test=test)
    assert [(p.kind, p.line, p.file, p.is_fatal) for p in found] == [
        ("label_unseen", 3, "test.csv", True),
        ("leak", 2, "test.csv", False),
    ]
    assert "a.csv line 3" in found[1].message


def test_rare_classes_and_imbalance() -> None:
    kinds = {p.kind: p.message for p in problems([("odd", "rare")])}
    assert set(kinds) == {"rare_class", "imbalance"}
    assert "'rare' (1)" in kinds["rare_class"]


def test_numbers() -> None:
    rows = [(f"text {n}", f"{n}.25") for n in range(40)]
    splits = Splits(train=table([*rows, ("last", "3,5")]))
    found = check(splits, COLUMNS, task="regress")
    assert [(p.kind, p.line, p.is_fatal) for p in found] == [("not_a_number", 42, True)]
    assert "point" in found[0].message
    assert check(Splits(train=table(rows)), COLUMNS, task=None) == []


def test_many_labels_a_row() -> None:
    rows = [(f"text {n}", "a|b" if n % 2 else "a") for n in range(40)]
    test = table([("x", "b|a"), ("y", "a|c")], "test.csv")
    found = check(Splits(train=table(rows), test=test), COLUMNS, task="multi_label")
    assert [(p.kind, p.line) for p in found] == [("label_unseen", 3)]


def test_list_is_capped_and_counted() -> None:
    found = problems([(f"odd {n} \ufffd", "pos") for n in range(50)])
    broken = [p for p in found if p.kind == "broken_encoding"]
    assert len(broken) == 21
    assert "30 more rows" in broken[-1].message
    assert "50 in all" in broken[-1].message


def test_unusable_rows_are_dropped() -> None:
    data = table([("a", "x"), ("", "x"), ("b", None), ("A ", "x"), ("a", "y")])
    kept, dropped = drop_unusable(data, COLUMNS, duplicates="drop")
    assert [row.index for row in kept.rows] == [0, 4]
    assert [row.index for row in dropped] == [1, 2, 3]
    assert len(drop_unusable(data, COLUMNS)[0]) == 3


def test_time_grows_with_the_rows_only() -> None:
    rows = [(f"some text about number {n} in the file", "pos" if n % 2 else "neg") for n in range(50_000)]
    start = time.perf_counter()
    assert check(Splits(train=table(rows)), COLUMNS, task="classify") == []
    assert time.perf_counter() - start < 5
