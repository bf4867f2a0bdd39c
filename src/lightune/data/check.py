"""What is wrong with the data, by line, before a model is loaded. Every check is one pass with hashes."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace

from lightune.core.errors import nearest
from lightune.core.rows import Problem, Row, Splits, Table
from lightune.data.check_answers import check_answers
from lightune.data.check_events import check_events
from lightune.data.check_options import check_options
from lightune.data.check_relations import check_relations
from lightune.data.check_sides import check_number, check_sides
from lightune.data.check_spans import check_tagging
from lightune.data.check_written import check_replies, check_translations
from lightune.data.columns import Columns
from lightune.data.findings import Findings
from lightune.data.profile import is_missing, label_name, label_profile, split_labels, text_of, to_number
from lightune.data.split import normalised

CHECKS = {"tag": check_tagging, "choose": check_options, "event": check_events, "relation": check_relations}
WRITTEN = {"instruct": check_replies, "translate": check_translations}
CLASSES = {None, "classify", "pair", "multi_label", "relation"}  # tasks whose labels are classes
OF_THEIR_OWN = {
    "multilabel",
    "retrieve",
    "answer",
    "tag",
    "event",
    "choose",
    *WRITTEN,
}  # answers that are no one label a text
LEAST_ROWS = 8
MOST_BAD = 0.05  # a larger share of empty texts or labels means that the file itself is wrong
LONG_WORDS = 400
MANY_VALUES = 20  # numbers with more distinct values than this are no classes
# UTF-8 read as Windows-1252 or Latin-1: the apostrophe, dashes, accented letters.
MOJIBAKE = re.compile(
    "\u00e2\u20ac[\u2122\u0153\u009d\u201c\u201d\u2013]|\u00c3[\u00a0-\u00bf\u2030\u2018]|\u00e2\u0080"
)
MARKUP = re.compile(r"<(?:br|p|div|span|a|img|table|td|li|html|body)\b[^>]*>", re.IGNORECASE)
CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def check(splits: Splits, columns: Columns, *, task: str | None, delimiter: str = "") -> list[Problem]:
    """All problems, those that stop training (`is_fatal`) first.

    Args:
        splits: the rows as read.
        columns: the text and label columns.
        task: the task's name, None when not known yet.
        delimiter: what parts several labels in one cell (`--data.delimiter`); found when empty.
    """
    findings = Findings()
    parts = {"training": splits.train, "validation": splits.validation, "test": splits.test}
    tables = {name: table for name, table in parts.items() if table is not None}
    for table in tables.values():
        for problem in table.problems:
            findings.found.append(problem)
        _check_shape(table, columns, findings)
    if findings.found and any(problem.is_fatal for problem in findings.found):
        return findings.as_list(splits.train.file)
    for table in tables.values():
        _check_texts(table, columns.text, findings)
    _check_leaks(tables, columns.text, findings)
    if task == "retrieve":
        check_number(splits.train, findings)
    for table in tables.values():
        _check_answers_of(table, columns, task, findings)
    if columns.label is not None and task not in OF_THEIR_OWN:
        _check_repeats(splits.train, columns, findings)
        if not is_regression(splits.train, columns.label, task) and task in CLASSES:
            one_each = task in {"classify", "pair", "relation"}
            _check_classes(tables, columns.label, findings, None if one_each else delimiter)
    return findings.as_list(splits.train.file)


def _check_answers_of(table: Table, columns: Columns, task: str | None, findings: Findings) -> None:
    """The gold answers of a table, as its task wants them."""
    if task == "retrieve":
        check_sides(table, columns, findings)
    if columns.label is None or task == "multilabel":  # no label at all is an answer there
        return
    if task == "answer":
        check_answers(table, columns, findings)
        return
    if task in WRITTEN:
        WRITTEN[task](table, columns, findings)
        return
    _check_missing_labels(table, columns.label, findings)
    if task in CHECKS:
        CHECKS[task](table, columns, findings)
    elif task == "retrieve" or is_regression(table, columns.label, task):
        _check_numbers(table, columns.label, findings)


def is_regression(table: Table, label: str, task: str | None) -> bool:
    """Whether the labels are quantities: the task says so, or there are many different numbers."""
    if task is not None:
        return task == "regress"
    profile = label_profile(table, label)
    return profile.is_numeric and len(profile.distinct) > MANY_VALUES


def drop_unusable(table: Table, columns: Columns, *, duplicates: str = "keep") -> tuple[Table, list[Row]]:
    """The table without rows that have no text or no label (or repeat an earlier row), and those rows.

    `duplicates="drop"` is for training data: of rows with the same text and label only the first stays.
    """
    kept, dropped, seen = [], [], set()
    for row in table.rows:
        texts = [row.values.get(name) for name in columns.text]
        label = row.values.get(columns.label) if columns.label else ""
        key = (normalised([str(text) for text in texts]), repr(label))
        is_bad = any(map(is_missing, texts)) or (columns.label is not None and is_missing(label))
        if is_bad or (duplicates == "drop" and key in seen):
            dropped.append(row)
        else:
            kept.append(row)
            seen.add(key)
    return replace(table, rows=kept), dropped


def _check_shape(table: Table, columns: Columns, findings: Findings) -> None:
    """Rows and columns that must be there at all."""
    for name in (*columns.text, columns.label):
        if name and name not in table.columns:
            message = f"there is no column {name!r} in this file. {nearest(name, table.columns)}"
            findings.at_file("missing_column", table.file, message, is_fatal=True)
    if not table.rows:
        message = "the file has no rows below its first line; add one row for each text"
        findings.at_file("no_rows", table.file, message, is_fatal=True)


def _texts(table: Table, names: tuple[str, ...]) -> Iterator[tuple[Row, list[str]]]:
    for row in table.rows:
        values = [row.values.get(name) for name in names]
        yield row, ["" if is_missing(value) else text_of(value) for value in values]


def _check_texts(table: Table, names: tuple[str, ...], findings: Findings) -> None:
    """Empty, broken, marked-up and long texts."""
    empty = [(row, any(texts)) for row, texts in _texts(table, names) if not all(texts)]
    is_fatal = len(empty) > MOST_BAD * len(table)
    for row, has_other in empty:
        name = next(name for name in names if is_missing(row.values.get(name)))
        left_out = "" if is_fatal or has_other else " (the row is left out)"
        findings.at_row(
            "empty_text",
            row,
            f"column {name!r} is empty; write a text or remove the row{left_out}",
            is_fatal=is_fatal,
        )
    num_markup = 0
    for row, texts in _texts(table, names):
        for text in texts:
            if reason := broken(text):
                findings.at_row("broken_encoding", row, reason)
            if len(text) > LONG_WORDS and (words := num_words(text)) > LONG_WORDS:
                findings.at_row(
                    "long_text", row, f"about {words:,} words; many models read 512 tokens at a time"
                )
            num_markup += "<" in text and MARKUP.search(text) is not None
    if num_markup > 0.2 * len(table):
        message = (
            f"{num_markup:,} of {len(table):,} texts contain HTML tags; remove them if they mean nothing"
        )
        findings.at_file("markup", table.file, message)


def broken(text: str) -> str:
    """Why the text looks wrongly decoded, with what to do; empty when it does not."""
    if "\x00" in text:
        return "the text holds zero bytes; probably UTF-16: save it as UTF-8 or give --data.encoding utf-16"
    if "\ufffd" in text:
        return "the text holds \ufffd, a letter lost in an earlier conversion; export the file again as UTF-8"
    if not text.isascii() and (found := MOJIBAKE.search(text)):
        return f"{found.group()!r} looks like UTF-8 read as Latin-1; export the file again as UTF-8"
    return ""


def num_words(text: str) -> int:
    """An estimate: words between blanks, or characters where the script has no blanks."""
    characters = 0 if text.isascii() else len(CJK.findall(text))
    return len(text.split()) + characters


def _check_leaks(tables: dict[str, Table], names: tuple[str, ...], findings: Findings) -> None:
    """Texts of validation and test that are also trained on."""
    if len(tables) < 2:
        return
    first: dict[int, Row] = {}
    for row, texts in _texts(tables["training"], names):
        first.setdefault(normalised(texts), row)
    for part in ("validation", "test"):
        for row, texts in _texts(tables[part], names) if part in tables else ():
            other = first.get(normalised(texts))
            if other is not None and any(texts):
                message = (
                    f"this text of the {part} data is also in the training data ({place(other)}); remove one"
                )
                findings.at_row("leak", row, message)


def place(row: Row) -> str:
    """`file line 3`, or `file row 2` where the format has no lines."""
    return f"{row.file} line {row.line}" if row.line is not None else f"{row.file} row {row.index}"


def _check_missing_labels(table: Table, label: str, findings: Findings) -> None:
    missing = [row for row in table.rows if is_missing(row.values.get(label))]
    is_fatal = len(missing) > MOST_BAD * len(table)
    left_out = "" if is_fatal else " (the row is left out)"
    for row in missing:
        message = f"column {label!r} is empty; write the label or remove the row{left_out}"
        findings.at_row("missing_label", row, message, is_fatal=is_fatal)


def _check_repeats(table: Table, columns: Columns, findings: Findings) -> None:
    """The same text twice: with one label (duplicate) or with two (conflict)."""
    assert columns.label is not None
    usable, _ = drop_unusable(table, columns)
    if len(usable) < LEAST_ROWS:
        message = (
            f"{len(usable)} labelled rows are too few to learn from; give at least {LEAST_ROWS}, better 200"
        )
        findings.at_file("too_few_rows", table.file, message, is_fatal=True)
    first: dict[int, tuple[Row, str]] = {}
    for row, texts in _texts(usable, columns.text):
        gold = label_name(row.values[columns.label])
        other, known = first.setdefault(normalised(texts), (row, gold))
        if other is row:
            continue
        if known == gold:
            findings.at_row("duplicate_row", row, f"the same text and label as {place(other)}; remove one")
        else:
            message = f"the same text has label {gold!r} here and {known!r} in {place(other)}; decide on one"
            findings.at_row("conflicting_labels", row, message)


def _check_numbers(table: Table, label: str, findings: Findings) -> None:
    for row in table.rows:
        value = row.values.get(label)
        if not is_missing(value) and to_number(value) is None:
            comma = (
                " Write decimals with a point." if to_number(str(value).replace(",", ".")) is not None else ""
            )
            message = f"column {label!r} holds {str(value)[:40]!r}, which is not a number; correct it.{comma}"
            findings.at_row("not_a_number", row, message, is_fatal=True)


def _check_classes(tables: dict[str, Table], label: str, findings: Findings, delimiter: str | None) -> None:
    """Classes that are alone, rare, unbalanced, spelled twice, or never trained on."""
    train = tables["training"]
    profile = label_profile(train, label, delimiter=delimiter)
    counts = profile.distinct
    is_multi = profile.is_list or profile.delimiter is not None
    if len(counts) == 1 and not is_multi:
        only = next(iter(counts))
        message = f"every row has the label {only!r}; a classifier needs rows of at least two classes"
        findings.at_file("one_class", train.file, message, is_fatal=True)
    _check_sizes(train, counts, findings)
    _check_spelling(train, counts, label, findings)
    for part in ("validation", "test"):
        for row in tables[part].rows if part in tables else ():
            value = row.values.get(label)
            names = [] if is_missing(value) else split_labels(value, profile.delimiter)
            for name in names:
                if name not in counts:
                    message = f"the label {name!r} is in the {part} data but not in the training data; "
                    advice = nearest(name, list(counts)[:30])
                    findings.at_row("label_unseen", row, f"{message}correct it. {advice}", is_fatal=True)


def _check_sizes(train: Table, counts: dict[str, int], findings: Findings) -> None:
    rare = {name: number for name, number in counts.items() if number < 5}
    listed = ", ".join(f"{name!r} ({number})" for name, number in list(rare.items())[:10])
    if rare and len(counts) > 1:
        more = f" and {len(rare) - 10} more" if len(rare) > 10 else ""
        message = (
            f"classes with fewer than 5 rows cannot be learned or measured: {listed}{more}; add rows or merge"
        )
        findings.at_file("rare_class", train.file, message)
    if len(counts) > 1 and max(counts.values()) > 10 * min(counts.values()):
        most, least = max(counts, key=lambda n: counts[n]), min(counts, key=lambda n: counts[n])
        message = (
            f"the class {most!r} has {counts[most]:,} rows and {least!r} only {counts[least]:,}; "
            "look at F1 rather than accuracy"
        )
        findings.at_file("imbalance", train.file, message)


def _check_spelling(train: Table, counts: dict[str, int], label: str, findings: Findings) -> None:
    """Labels that differ in case, blanks or hyphens only, and blanks round a label."""
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for name in counts:
        alike[re.sub(r"[\s_-]+", " ", name.casefold()).strip()].append(name)
    usual = {name: names[0] for names in alike.values() for name in names[1:]}
    spaced: Counter[str] = Counter()
    for row in train.rows:
        value = row.values.get(label)
        if isinstance(value, str) and value.strip() in usual:
            name = value.strip()
            message = (
                f"the label {name!r} is probably {usual[name]!r} ({counts[usual[name]]:,} rows); write one"
            )
            findings.at_row("label_spelling", row, message)
        elif isinstance(value, str) and value and value != value.strip():
            spaced[value] += 1
            if spaced[value] == 1:
                message = f"blanks stand round the label {value!r}; they are removed"
                findings.at_row("label_spelling", row, message)
