"""What is wrong with events: outside the text, not what the row says, triggers that overlap."""

from __future__ import annotations

from lightune.core.events import Mention, read_events
from lightune.core.rows import Row, Table
from lightune.core.spans import join_words
from lightune.data.columns import Columns
from lightune.data.findings import Findings
from lightune.data.profile import is_missing

LEAST_ROWS = 8


def check_events(table: Table, columns: Columns, findings: Findings) -> None:
    """Every row's triggers and arguments against its text."""
    assert columns.label is not None
    num_usable = num_events = 0
    for row in table.rows:
        value, gold = row.values.get(columns.text[0]), row.values.get(columns.label)
        if is_missing(value) or is_missing(gold):
            continue
        text = join_words([str(word) for word in value])[0] if isinstance(value, list) else str(value)
        events = read_events(gold)
        if events is None:
            message = f"{str(gold)[:40]!r} is no list of events with trigger and arguments"
            findings.at_row("not_events", row, message, is_fatal=True)
            continue
        num_usable, num_events = num_usable + 1, num_events + len(events)
        _check_row(row, text, events, findings)
    if table.rows and not findings.number("not_events"):
        if not num_events:
            findings.at_file("no_events", table.file, "no text has an event", is_fatal=True)
        elif num_usable < LEAST_ROWS:
            message = f"{num_usable} rows are too few to learn from; give at least {LEAST_ROWS}, better 500"
            findings.at_file("too_few_rows", table.file, message)


def _check_row(row: Row, text: str, events: list[Mention], findings: Findings) -> None:
    for one in events:
        for start, end, kind in (one.trigger, *one.arguments):
            if not 0 <= start < end <= len(text):
                place = f"the {kind} from {start} to {end}"
                message = f"{place} does not lie in the text ({len(text)} characters)"
                findings.at_row("span_outside", row, message, is_fatal=True)
    behind = 0
    for start, end, kind in sorted(one.trigger for one in events):
        if start < behind:
            message = (
                f"the trigger of {kind} from {start} to {end} overlaps another; only one of them can be found"
            )
            findings.at_row("overlapping_spans", row, message)
        behind = max(behind, end)
