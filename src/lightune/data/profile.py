"""What a label column holds: classes, several labels a row, or numbers. Tasks recognise themselves by it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from lightune.core.events import read_event, read_events
from lightune.core.marking import read_entity
from lightune.core.rows import Table
from lightune.core.spans import read_answers, read_span, read_spans

LOOKED_AT = 200  # rows that show the form of the labels
DELIMITERS = ("|", ";", ",")


Form = Literal["", "spans", "tags", "answers", "relation", "events"]


@dataclass(frozen=True)
class LabelProfile:
    """The values of a label column.

    Attributes:
        distinct: label -> rows that have it, most frequent first; single labels when there are several a row.
        num_missing: rows without a value.
        is_numeric: every value is a finite number.
        is_list: the values are lists (JSON, Parquet).
        delimiter: what separates several labels in one cell; None when each cell is one label.
        num_rows: all rows, also those without a value.
        column: what the column is called.
        form: `spans` where the values are lists of spans of a text, `tags` where they are one a word,
            `answers` where they are pieces of another column.
            `relation` where they stand beside columns `head` and `tail` that are places in a text,
            `events` where they are lists of triggers with arguments.
    """

    distinct: dict[str, int]
    num_missing: int
    is_numeric: bool
    is_list: bool
    delimiter: str | None
    num_rows: int
    form: Form = ""
    column: str = ""


def label_profile(table: Table, label: str, *, delimiter: str | None = "") -> LabelProfile:
    """Look at every value of the column `label`.

    `delimiter` is the user's choice; empty: find it; None: each cell is one label.
    """
    values = [row.values.get(label) for row in table.rows]
    present = [value for value in values if not is_missing(value)]
    is_list = bool(present) and all(isinstance(value, (list, tuple)) for value in present)
    whole = Counter() if is_list else Counter(label_name(value) for value in present)
    is_single = is_list or delimiter is None
    found = None if is_single else (delimiter or find_delimiter(whole))
    counts: Counter[str] = Counter()
    if is_list or found:
        for value in present:
            counts.update(set(split_labels(value, found)))
    else:
        counts = whole
    return LabelProfile(
        distinct=dict(counts.most_common()),
        num_missing=len(values) - len(present),
        is_numeric=bool(whole) and all(to_number(value) is not None for value in whole),
        is_list=is_list,
        delimiter=found,
        num_rows=len(values),
        form=_form(table, label, present),
        column=label,
    )


def no_labels(num_rows: int) -> LabelProfile:
    """The profile of a column that is not there."""
    return LabelProfile({}, 0, False, False, None, num_rows)


def _form(table: Table, label: str, present: list[Any]) -> Form:
    """Whether the values are spans, tags of words, events, or relations of two places."""
    if {"head", "tail"} <= set(table.columns):
        pairs = [(row.values.get("head"), row.values.get("tail")) for row in table.rows[:LOOKED_AT]]
        if all(read_entity(one) is not None for pair in pairs for one in pair):
            return "relation"
    sample = present[:LOOKED_AT]
    if _are_answers(table, label, sample):
        return "answers"
    if any(isinstance(value, str) and not value.lstrip().startswith("[") for value in sample):
        return ""
    events = [read_events(value) for value in sample]
    if any(events) and None not in events:
        return "events"
    found = [read_spans(value) for value in sample]
    if any(found) and None not in found:
        return "spans"
    rows = [row.values for row in table.rows[:LOOKED_AT] if isinstance(row.values.get(label), (list, tuple))]
    for name in table.columns:
        if name != label and rows and all(_is_parallel(row.get(name), row[label]) for row in rows):
            return "tags"
    return ""


def _are_answers(table: Table, label: str, sample: list[Any]) -> bool:
    """Whether most values say a piece of a text that the row has in another column."""
    if not sample or not any(
        name.strip().lower() in {"context", "passage", "上下文"} for name in table.columns
    ):
        return False
    rows = [row for row in table.rows[:LOOKED_AT] if not is_missing(row.values.get(label))]
    held = 0
    for row in rows:
        others = " ".join(str(value) for name, value in row.values.items() if name != label)
        answers = read_answers(row.values[label], others)
        held += not answers or any(text in others for _, text in answers)
    return 2 * held > len(rows)


def _is_parallel(words: Any, tags: Any) -> bool:
    return (
        isinstance(words, (list, tuple))
        and len(words) == len(tags)
        and all(isinstance(w, str) for w in words)
    )


def find_delimiter(counts: Counter[str]) -> str | None:
    """The character that parts several labels in one cell, when parting gives fewer, recurring labels."""
    for mark in DELIMITERS:
        joined = [value for value in counts if mark in value]
        parts_alone = (part for value in joined for part in split_labels(value, mark) if part in counts)
        has_alone = mark != "," and any(parts_alone)  # a comma may also be part of one name
        if len(joined) < 2 and not has_alone:
            continue
        if mark == "," and all(to_number(value.replace(",", ".")) is not None for value in joined):
            continue
        parts: Counter[str] = Counter()
        for value, number in counts.items():
            for part in split_labels(value, mark):
                parts[part] += number
        is_short = all(len(part) <= 40 and len(part.split()) <= 4 for part in parts)
        if is_short and len(parts) <= len(counts) and sum(parts.values()) >= 2 * len(parts):
            return mark
    return None


def split_labels(value: Any, delimiter: str | None) -> list[str]:
    """The label names in one cell: a list, a delimited string, or one name."""
    if isinstance(value, (list, tuple)):
        return [_kind_of(item) for item in value]
    if delimiter is None:
        return [label_name(value)]
    return [part.strip() for part in label_name(value).split(delimiter) if part.strip()]


def _kind_of(item: Any) -> str:
    """What one entry of a list counts as: the type of an event or of a span, else its own name."""
    event, span = read_event(item), read_span(item)
    return event.trigger[2] if event else span[2] if span else label_name(item)


def label_name(value: Any) -> str:
    """A label as text: 1 and 1.0 are `1`, True is `true`, blanks round a string are removed."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def is_missing(value: Any) -> bool:
    """Whether a cell holds nothing: absent, blank or NaN. An empty list is an answer."""
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and not value.strip())


def text_of(value: Any) -> str:
    """A cell as text; words are joined."""
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def to_number(value: Any) -> float | None:
    """The finite number that a cell holds, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
