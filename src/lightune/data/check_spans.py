"""What is wrong with tags and spans: too few, outside the text, overlapping, of a broken scheme."""

from __future__ import annotations

from lightune.core.rows import Row, Table
from lightune.core.spans import Span, breaks_scheme, is_scheme, read_spans
from lightune.data.columns import Columns
from lightune.data.findings import Findings
from lightune.data.profile import is_missing, label_name


def check_tagging(table: Table, columns: Columns, findings: Findings) -> None:
    """Every row's tags against its words, or its spans against its text."""
    assert columns.label is not None
    tags = {tag for row in table.rows for tag in _tags(row, columns.label)}
    has_scheme = is_scheme(tags)
    for row in table.rows:
        text, gold = row.values.get(columns.text[0]), row.values.get(columns.label)
        if is_missing(gold) or is_missing(text):
            continue
        spans = read_spans(gold)
        if spans:
            _check_spans(row, text if isinstance(text, str) else "", spans, findings)
        elif isinstance(text, list) and isinstance(gold, list):
            _check_tags(row, text, gold, findings, has_scheme=has_scheme)
        elif spans is None:
            message = f"{str(gold)[:40]!r} is no list of spans, nor one tag for each word"
            findings.at_row("not_spans", row, message, is_fatal=True)


def _tags(row: Row, label: str) -> list[str]:
    value = row.values.get(label)
    is_list = isinstance(value, list) and not read_spans(value)
    return [label_name(tag) for tag in value or ()] if is_list else []


def _check_tags(
    row: Row, words: list[str], tags: list[object], findings: Findings, *, has_scheme: bool
) -> None:
    if tags and len(words) != len(tags):
        message = f"there are {len(words)} words and {len(tags)} tags; each word needs one"
        findings.at_row("tag_count", row, message, is_fatal=True)
    elif has_scheme and (problem := breaks_scheme([label_name(tag) for tag in tags])):
        findings.at_row("broken_scheme", row, f"{problem}; it is read as the beginning of a span")


def _check_spans(row: Row, text: str, spans: list[Span], findings: Findings) -> None:
    behind = 0
    for start, end, kind in sorted(spans):
        if not 0 <= start < end or (text and end > len(text)):
            message = f"the {kind} from {start} to {end} does not lie in the text ({len(text)} characters)"
            findings.at_row("span_outside", row, message, is_fatal=True)
        elif start < behind:
            message = f"the {kind} from {start} to {end} overlaps the one before it; the earlier one is kept"
            findings.at_row("overlapping_spans", row, message)
        elif text and (text[start].isspace() or text[end - 1].isspace()):
            findings.at_row(
                "span_blanks", row, f"the {kind} from {start} to {end} begins or ends with a blank"
            )
        behind = max(behind, end)
