"""What is wrong with pairs of entities: outside the text, not what the row says, the same pair twice."""

from __future__ import annotations

from lightune.core.marking import pair_of
from lightune.core.rows import Row, Table
from lightune.data.columns import Columns
from lightune.data.findings import Findings
from lightune.data.profile import is_missing, label_name

LEAST_ROWS = 8


def check_relations(table: Table, columns: Columns, findings: Findings) -> None:
    """Every row's head and tail against its text, and its label against those of the same pair."""
    assert columns.label is not None
    first: dict[tuple[object, ...], tuple[Row, str]] = {}
    num_usable = 0
    for row in table.rows:
        text, gold = row.values.get(columns.text[0]), row.values.get(columns.label)
        if is_missing(text) or is_missing(gold):
            continue
        try:
            whole, head, tail = pair_of(row.values, str(text))
        except ValueError as error:
            findings.at_row("not_entities", row, str(error), is_fatal=True)
            continue
        num_usable += 1
        for name, one in (("head", head), ("tail", tail)):
            stands = whole[one.start : one.end]
            if one.text and one.text != stands:
                message = f"{name} is said to be {one.text[:40]!r}, but {stands[:40]!r} stands in its place"
                findings.at_row("entity_text", row, message)
        if head[:2] == tail[:2]:
            findings.at_row("same_entity", row, "head and tail are the same place in the text")
        key = (" ".join(whole.split()).lower(), head[:2], tail[:2])
        other, known = first.setdefault(key, (row, label_name(gold)))
        if other is not row:
            _repeat(row, label_name(gold), other, known, findings)
    if table.rows and num_usable < LEAST_ROWS and not findings.number("not_entities"):
        message = (
            f"{num_usable} labelled rows are too few to learn from; give at least {LEAST_ROWS}, better 500"
        )
        findings.at_file("too_few_rows", table.file, message)


def _repeat(row: Row, gold: str, other: Row, known: str, findings: Findings) -> None:
    place = f"{other.file} line {other.line}" if other.line is not None else f"{other.file} row {other.index}"
    if gold == known:
        findings.at_row("duplicate_row", row, f"the same text, pair and label as {place}; remove one")
    else:
        message = f"the same pair has label {gold!r} here and {known!r} in {place}; decide on one"
        findings.at_row("conflicting_labels", row, message)
