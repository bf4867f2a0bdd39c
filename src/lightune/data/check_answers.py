"""What is wrong with questions and answers: no question, answers that are not where they are said to be."""

from __future__ import annotations

from lightune.core.rows import Table
from lightune.core.spans import read_answers
from lightune.data.columns import Columns
from lightune.data.findings import Findings


def check_answers(table: Table, columns: Columns, findings: Findings) -> None:
    """Every row's answers against its context."""
    assert columns.label is not None
    for row in table.rows:
        question, context = (str(row.values.get(name) or "") for name in columns.text)
        if not question.strip():
            findings.at_row("empty_question", row, "the question is empty")
        value = row.values.get(columns.label)
        if value is None or (isinstance(value, str) and not value.strip()):
            message = f"column {columns.label!r} is empty; write the answer, or [] where there is none"
            findings.at_row("missing_label", row, f"{message} (the row is left out)")
        if not context.strip():
            findings.at_row("empty_context", row, "the context is empty")
        for start, text in read_answers(value, context):
            if start < 0:
                message = f"the answer {text[:40]!r} is not in its context; mend it or remove the row"
                findings.at_row("answer_not_in_context", row, message, is_fatal=True)
            elif context[start : start + len(text)] != text:
                found = context[start : start + len(text)]
                message = f"at {start} the context has {found[:40]!r}, not the answer {text[:40]!r}"
                findings.at_row("answer_elsewhere", row, message, is_fatal=True)
