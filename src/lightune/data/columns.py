"""Which columns are the text and the label: the user's choice checked, or found by name, else by content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lightune.core.errors import UserError, nearest
from lightune.core.rows import Decisions, Table
from lightune.data.names import LABELS, PAIRS, TEXTS, is_identifier, plain
from lightune.data.profile import LabelProfile, is_missing, label_name, label_profile, text_of, to_number

__all__ = ["Columns", "LabelProfile", "check_column", "find_columns", "label_profile"]

NUM_LOOKED_AT = 2000  # rows that decide
MOST_CLASSES = 50  # a column with more distinct values is not taken for a label unless its name says so
LONGEST_LABEL = 40  # characters, on average
LONGEST_NAMED = 100  # likewise, in a column with the name of a label: a longer `answer` is a text


@dataclass(frozen=True)
class Columns:
    """The columns a task reads; `label` is None when none was asked for. `reasons` are to be printed."""

    text: tuple[str, ...]
    label: str | None
    reasons: Decisions


def find_columns(table: Table, text: tuple[str, ...] | None, label: str | None) -> Columns:
    """The text and label columns of a table.

    Args:
        table: the training rows.
        text: the columns the user chose; None: find them.
        label: the column the user chose; None: find it; "": there is none (unlabelled texts).

    Raises:
        UserError: a column that does not exist (the nearest is named), or none that fits.
    """
    if not table.rows:
        hint = "Add one row for each text: the text and its label."
        raise UserError("there are no rows in the file, at most a first line", hint=hint, file=table.file)
    reasons = Decisions(list(table.decisions))
    for name in (*(text or ()), label):
        if name:
            check_column(table, name)
    if label and label in (text or ()):
        raise UserError(f"the column {label!r} cannot be both text and label", file=table.file)
    if label is None:
        label, why = _find_label(table, taken=text or ())
        reasons.add("label column", label, why)
    if text is None:
        text, why = _find_text(table, label or "")
        reasons.add("text column" + "s" * (len(text) > 1), " + ".join(text), why)
    return Columns(text, label or None, reasons)


def check_column(table: Table, name: str) -> None:
    """Raise `UserError` when the table has no column `name`."""
    if name not in table.columns:
        hint = nearest(name, table.columns) + " Choose with --text COLUMN and --label COLUMN."
        raise UserError(f"there is no column {name!r} in this file", hint=hint, file=table.file, line=None)


def _find_label(table: Table, taken: Sequence[str]) -> tuple[str, str]:
    """The label column and the reason."""
    columns = [name for name in table.columns if name not in taken]
    by_name = {plain(name): name for name in reversed(columns)}
    for known in LABELS:
        if (
            known in by_name
            and len(table.columns) > 1
            and _mean_length(table, by_name[known]) <= LONGEST_NAMED
        ):
            return by_name[known], "its name"
    fits = [name for name in columns if _is_label_like(table, name)]
    texts = [name for name in fits if plain(name) in TEXTS]
    fits = [name for name in fits if name not in texts]
    if not fits or len(table.columns) < 2:
        raise _no_label(table)
    best = min(reversed(fits), key=lambda name: len({label_name(value) for value in _values(table, name)}))
    others = f"; also possible: {', '.join(name for name in fits if name != best)}" if len(fits) > 1 else ""
    return best, f"few different short values{others}"


def _no_label(table: Table) -> UserError:
    if len(table.columns) == 1:
        name = table.columns[0]
        problem = (
            f"the file has one column only ({name!r}), so there is a text without a label, or the reverse"
        )
        hint = (
            "Each row needs a text and its label, for instance the first lines: text,label / Great film,pos"
        )
    else:
        problem = "no column looks like a label (few different, short values)"
        hint = f"Say which one it is: --label COLUMN. Columns: {', '.join(table.columns)}."
    return UserError(problem, hint=hint, file=table.file, line=1 if _has_lines(table) else None)


def _has_lines(table: Table) -> bool:
    return bool(table.rows) and table.rows[0].line is not None


def _is_label_like(table: Table, name: str) -> bool:
    """Few distinct short values, or a list of labels."""
    if is_identifier(name):
        return False
    values = _values(table, name)
    if values and all(isinstance(value, list) for value in values):
        return True
    names = [label_name(value) for value in values]
    distinct = len(set(names))
    mean_length = sum(map(len, names)) / max(1, len(names))
    return 1 < distinct <= min(MOST_CLASSES, max(2, len(names) // 2)) and mean_length <= LONGEST_LABEL


def _find_text(table: Table, label: str) -> tuple[tuple[str, ...], str]:
    """The text column or pair of columns and the reason."""
    columns = [name for name in table.columns if name != label and not is_identifier(name)]
    by_name = {plain(name): name for name in reversed(columns)}
    for first, second in PAIRS:
        if first in by_name and second in by_name and (len(first) > 1 or len(columns) == 2):
            return (by_name[first], by_name[second]), "their names: a pair of texts"
    for known in TEXTS:
        if known in by_name and _mean_length(table, by_name[known]) > 0:
            return (by_name[known],), "its name"
    lengths = {name: _mean_length(table, name) for name in columns}
    if not lengths or max(lengths.values()) == 0:
        raise UserError(
            "no column holds text",
            hint=f"Say which one it is: --text COLUMN. Columns: {', '.join(table.columns)}.",
            file=table.file,
        )
    best = max(lengths, key=lambda name: lengths[name])
    return (best,), f"the longest texts ({lengths[best]:.0f} characters on average)"


def _mean_length(table: Table, name: str) -> float:
    """Mean number of characters; 0 for numbers."""
    values = [text_of(value) for value in _values(table, name) if _is_text(value)]
    if not values or all(to_number(value) is not None for value in values[:100]):
        return 0.0
    return sum(map(len, values)) / len(values)


def _is_text(value: Any) -> bool:
    """A string, or a list of words."""
    return isinstance(value, str) or (
        isinstance(value, list) and bool(value) and all(isinstance(word, str) for word in value)
    )


def _values(table: Table, name: str) -> list[Any]:
    """The values present in the rows looked at."""
    found = (row.values.get(name) for row in table.rows[:NUM_LOOKED_AT])
    return [value for value in found if not is_missing(value)]
