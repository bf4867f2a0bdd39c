"""Columns of texts that belong together: query and passage, anchor, positive and negative, two languages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightune.core.errors import UserError
from lightune.core.rows import Decisions, Table
from lightune.data.columns import Columns, check_column
from lightune.data.names import PAIRS, is_identifier, plain
from lightune.data.profile import is_missing, text_of, to_number

ANCHORS = ("anchor", "query", "question", "premise", "sentence", "sentence1", "source")
POSITIVES = ("positive", "pos", "positives", "positive_passage")
NEGATIVES = ("negative", "neg", "negatives", "negative_passage", "hard_negative")
OTHER_PAIRS = (
    ("question", "answer"), ("question", "passage"), ("question", "context"), ("query", "answer"),
    ("prompt", "response"), ("title", "body"), ("title", "abstract"), ("source", "target"), ("en", "zh"),
)  # fmt: skip
SCORES = ("score", "similarity", "label", "similarity_score", "sim", "relevance", "分数")
LOOKED_AT = 2000


def texts_in(name: str, value: Any) -> list[str]:
    """The texts of a cell: several where a column such as `neg` holds a list; other lists are words."""
    if is_missing(value):
        return []
    if isinstance(value, (list, tuple)) and plain(name) in (*POSITIVES, *NEGATIVES):
        return [str(one) for one in value if not is_missing(one)]
    return [text_of(value)]


def named_sides(columns: Sequence[str]) -> tuple[str, ...]:
    """(anchor, positive) or (anchor, positive, negative) where the names say so; else nothing."""
    by_name = {plain(name): name for name in reversed(columns)}
    anchor, positive, negative = (
        next((by_name[name] for name in names if name in by_name), None)
        for names in (ANCHORS, POSITIVES, NEGATIVES)
    )
    if anchor is None or positive is None:
        return ()
    return (anchor, positive) if negative is None else (anchor, positive, negative)


def looks_like_sides(table: Table) -> str:
    """Why a table is one of texts that belong together, by the names of its columns; "" when it is not."""
    found = named_sides(table.columns)
    if not found or any(_is_numeric(table, name) for name in found):
        return ""
    return f"the columns {', '.join(found[:-1])} and {found[-1]}"


def find_sides(table: Table, text: tuple[str, ...] | None, label: str | None) -> Columns:
    """Two or three text columns, and the similarity's column where there is one.

    Args:
        table: the training rows.
        text: the columns the user chose; None: find them.
        label: the column the user chose; None: find it; "": there is none.

    Raises:
        UserError: a column that does not exist, or no two that could be sides.
    """
    if not table.rows:
        hint = "Add one row for each pair of texts."
        raise UserError("there are no rows in the file, at most a first line", hint=hint, file=table.file)
    reasons = Decisions(list(table.decisions))
    for name in (*(text or ()), label):
        if name:
            check_column(table, name)
    if label and label in (text or ()):
        raise UserError(f"the column {label!r} cannot be both text and label", file=table.file)
    if text is None:
        text, why = _find_texts(table, label)
        reasons.add("text columns", " + ".join(text), why)
    if label is None and len(text) == 2:
        label = _find_score(table, text)
        if label:
            reasons.add("label column", label, "numbers, and its name: how similar the texts are")
    if not label:
        reasons.add("label column", "none", "the texts of a row belong together")
    return Columns(text, label or None, reasons)


def _find_texts(table: Table, label: str | None) -> tuple[tuple[str, ...], str]:
    columns = [name for name in table.columns if name != label and not is_identifier(name)]
    if found := named_sides(columns):
        return found, "their names"
    by_name = {plain(name): name for name in reversed(columns)}
    for first, second in (*PAIRS, *OTHER_PAIRS):
        if first in by_name and second in by_name and (len(first) > 1 or len(columns) == 2):
            third = next((by_name[name] for name in NEGATIVES if name in by_name), None)
            return (by_name[first], by_name[second], *([third] if third else [])), "their names"
    texts = [name for name in columns if not _is_numeric(table, name)]
    if len(texts) == 2:
        return (texts[0], texts[1]), "the two columns of texts"
    hint = f"The columns are: {', '.join(table.columns)}. Name two or three with --text COLUMN,COLUMN2."
    raise UserError(
        "it is not clear which columns hold texts that belong together", hint=hint, file=table.file
    )


def _find_score(table: Table, text: tuple[str, ...]) -> str | None:
    by_name = {plain(name): name for name in reversed(table.columns) if name not in text}
    found = (by_name[name] for name in SCORES if name in by_name)
    return next((name for name in found if _is_numeric(table, name)), None)


def _is_numeric(table: Table, name: str) -> bool:
    values = [row.values.get(name) for row in table.rows[:LOOKED_AT]]
    present = [value for value in values if not is_missing(value)]
    return bool(present) and all(to_number(value) is not None for value in present)
