"""Rows as read from a file, and the typed examples that a task makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a data file, before any task has looked at it.

    Attributes:
        index: position in its file, from 0.
        values: column name -> value (str, or what JSON and Parquet hold); None where it is absent.
        file: the file it came from, as the person named it.
        line: the line it starts on, from 1; None where the format has no lines.
    """

    index: int
    values: dict[str, Any]
    file: str
    line: int | None = None


@dataclass(frozen=True)
class Table:
    """Rows with the same columns, in file order.

    `problems` are the rows that the reader had to leave out, `decisions` what it found out by itself.
    """

    rows: list[Row]
    columns: list[str]
    file: str
    format: str
    problems: tuple[Problem, ...] = ()
    decisions: tuple[Decision, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Splits:
    """What a data source holds: the rows to train on, and those it keeps apart (None: it does not say).

    `text`, `label` and `task` are set by formats that know them (GLUE folders, folders of text per class).
    """

    train: Table
    validation: Table | None = None
    test: Table | None = None
    text: tuple[str, ...] | None = None
    label: str | None = None
    task: str | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A row as a task sees it: one or two texts and, where it is known, the gold answer.

    Attributes:
        texts: one text, or two for a pair.
        gold: a label name, a list of label names, a number, a tag a word; None when unlabelled.
        turns: (role, content) of a chat, the gold reply included, where the task reads chats.
        words: (start, end) in characters of each word of the first text, where the task reads words.
        row: index of its row in the file.
    """

    texts: tuple[str, ...]
    gold: Any = None
    row: int = 0
    file: str = ""
    line: int | None = None
    words: tuple[tuple[int, int], ...] = ()
    turns: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the data (`lightune check`): `row` counts from 0, `line` from 1."""

    kind: str
    message: str
    file: str
    line: int | None = None
    row: int | None = None
    is_fatal: bool = False


@dataclass(frozen=True)
class Decision:
    """Something lightune found out or derived by itself, with the reason it prints."""

    what: str
    value: str
    reason: str


@dataclass
class Decisions:
    """The decisions of one run, in the order they were taken."""

    taken: list[Decision] = field(default_factory=list)

    def add(self, what: str, value: object, reason: str) -> None:
        """Record that `what` is `value`, and why."""
        self.taken.append(Decision(what, str(value), reason))

    def as_rows(self) -> Sequence[tuple[str, str, str]]:
        """(what, value, reason) for tables."""
        return [(d.what, d.value, d.reason) for d in self.taken]
