"""What is wrong with texts that should belong together: identical sides, repeats, a positive as negative."""

from __future__ import annotations

from lightune.core.rows import Row, Table
from lightune.data.columns import Columns
from lightune.data.findings import Findings
from lightune.data.sides import texts_in

LEAST_PAIRS = 8


def check_sides(table: Table, columns: Columns, findings: Findings) -> None:
    """Every row's sides against each other, and against the rows before it."""
    first: dict[tuple[str, ...], Row] = {}
    for row in table.rows:
        names = columns.text
        held = [texts_in(name, row.values.get(name)) for name in names]
        if not all(held):
            continue
        texts = tuple(" ".join(one[0].casefold().split()) for one in held)
        for name, one in zip(names, held, strict=True):
            if len(one) > 1:
                message = f"column {name!r} holds {len(one)} texts and the first is used; a row each uses all"
                findings.at_row("several_texts", row, message)
        if texts[0] == texts[1] and columns.label is None:
            message = f"columns {names[0]!r} and {names[1]!r} hold the same text: there is nothing to learn"
            findings.at_row("identical_sides", row, message)
        if len(texts) > 2 and texts[2] in texts[:2]:
            same = names[texts.index(texts[2])]
            message = f"the text of {names[2]!r} is that of {same!r} too: it is not held against it"
            findings.at_row("own_negative", row, message)
        other = first.setdefault(texts, row)
        if other is not row and columns.label is None:
            where = f"line {other.line}" if other.line is not None else f"row {other.index}"
            findings.at_row("duplicate_row", row, f"the same texts as in {where}; remove one")


def check_number(table: Table, findings: Findings) -> None:
    """Whether there are pairs enough to train on."""
    if len(table) < LEAST_PAIRS:
        message = f"{len(table)} rows are too few to learn from; give at least {LEAST_PAIRS}, better 200"
        findings.at_file("too_few_rows", table.file, message, is_fatal=True)
