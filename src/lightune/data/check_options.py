"""What is wrong with multiple-choice rows: too few options, repeated ones, an answer that is none of them."""

from __future__ import annotations

from lightune.core.rows import Table
from lightune.data.columns import Columns
from lightune.data.findings import Findings
from lightune.data.options import first_number, options_of, place_of
from lightune.data.profile import is_missing, label_name


def check_options(table: Table, columns: Columns, findings: Findings) -> None:
    """Every row's options and its right answer."""
    assert columns.label is not None
    first = first_number({label_name(row.values.get(columns.label)) for row in table.rows})
    for row in table.rows:
        options = options_of(row.values)
        if len(options) < 2:
            message = "there are no two options; give a list `options`, or columns such as option_a, option_b"
            findings.at_row("no_options", row, message, is_fatal=True)
            continue
        if len(set(options)) < len(options):
            findings.at_row("same_option_twice", row, "an option stands there twice")
        gold = row.values.get(columns.label)
        if not is_missing(gold) and place_of(gold, row.values, first=first) is None:
            message = f"the answer {str(gold)[:40]!r} is none of the {len(options)} options"
            findings.at_row("answer_not_an_option", row, message, is_fatal=True)
