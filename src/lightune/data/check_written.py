"""What is wrong with texts to be written: no reply, nothing translated, pairs that seem to have slipped."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterator

from lightune.core.rows import Row, Table
from lightune.data.columns import Columns
from lightune.data.findings import Findings
from lightune.data.profile import is_missing, text_of
from lightune.data.split import normalised

LEAST_ROWS = 8
MOST_BAD = 0.05  # a larger share of empty replies means that the file itself is wrong
LEAST_LETTERS = 12  # names, numbers and commands may stay as they are
LEAST_LENGTH = 20  # characters: of shorter texts the lengths say little
MOST_APART = 3.0  # times longer or shorter than the corpus's median says
BESIDE = 5  # characters added to both lengths: a name of one word may well become four
NUMBER = re.compile(r"\d+(?:[.,\u00a0\u202f' ]\d{3})*")
LETTERS = re.compile(r"[^\W\d_]")
Pairs = list[tuple[Row, str, str]]


def check_replies(table: Table, columns: Columns, findings: Findings) -> None:
    """Every row's reply: there, not the prompt itself, not given before."""
    for row, prompt, reply in _usable(table, columns, findings, "empty_response"):
        if len(reply) >= LEAST_LENGTH and normalised([prompt]) == normalised([reply]):
            findings.at_row(
                "echo", row, "the response is the prompt itself; write an answer or remove the row"
            )


def check_translations(table: Table, columns: Columns, findings: Findings) -> None:
    """Every row's translation: there, in another language, as long as others, with the same numbers."""
    pairs = _usable(table, columns, findings, "empty_translation")
    usual = _usual_ratio(pairs)
    for row, source, target in pairs:
        if source == target:
            if len(LETTERS.findall(source)) >= LEAST_LETTERS:
                message = f"{columns.label!r} holds the source itself, not translated: {source[:40]!r}"
                findings.at_row("untranslated", row, message)
            continue
        if usual and _is_apart(source, target, usual):
            message = (
                f"the translation is {len(target) / len(source):.1f} times as long as its source, where "
                f"{usual:.1f} is usual: the lines may have slipped"
            )
            findings.at_row("misaligned", row, message)
        elif lost := _different_numbers(source, target):
            message = f"the numbers differ: {lost}; is this the translation of that text?"
            findings.at_row("numbers_differ", row, message)


def _usable(table: Table, columns: Columns, findings: Findings, empty: str) -> Pairs:
    """The rows with both texts; those without what is to be written, and repeats, are reported."""
    assert columns.label is not None
    missing = [row for row in table.rows if is_missing(row.values.get(columns.label))]
    is_fatal = len(missing) > MOST_BAD * len(table)
    for row in missing:
        message = f"column {columns.label!r} is empty; write it or remove the row"
        left_out = "" if is_fatal else " (the row is left out)"
        findings.at_row(empty, row, f"{message}{left_out}", is_fatal=is_fatal)
    pairs = list(_pairs(table, columns))
    if len(pairs) < LEAST_ROWS:
        message = f"{len(pairs)} rows with both texts are too few; give at least {LEAST_ROWS}, better 200"
        findings.at_file("too_few_rows", table.file, message, is_fatal=not findings.number(empty))
    first: dict[tuple[int, int], Row] = {}
    for row, source, target in pairs:
        other = first.setdefault(
            (normalised([source, repr(row.values.get("turns"))]), normalised([target])), row
        )
        if other is not row:
            place = f"line {other.line}" if other.line is not None else f"row {other.index}"
            findings.at_row("duplicate_row", row, f"the same two texts as in {place}; remove one")
    return pairs


def _pairs(table: Table, columns: Columns) -> Iterator[tuple[Row, str, str]]:
    for row in table.rows:
        values = [row.values.get(name) for name in columns.text]
        gold = row.values.get(columns.label or "")
        source = "\n\n".join(text_of(value) for value in values if not is_missing(value))
        if source.strip() and not is_missing(gold):
            yield row, source.strip(), text_of(gold).strip()


def _usual_ratio(pairs: Pairs) -> float | None:
    """The median of target length over source length; None where too few pairs tell."""
    ratios = [ratio for _, source, target in pairs if (ratio := _ratio(source, target))]
    return statistics.median(ratios) if len(ratios) >= LEAST_ROWS else None


def _ratio(source: str, target: str) -> float | None:
    """How many times as long as its source a translation is; None for short or equal ones."""
    if max(len(source), len(target)) < LEAST_LENGTH or source == target:
        return None
    return len(target) / len(source)


def _is_apart(source: str, target: str, usual: float) -> bool:
    """Whether a translation is much longer or shorter than is usual; short or equal ones never are."""
    if _ratio(source, target) is None:
        return False
    apart = math.log((len(target) + BESIDE) / (len(source) * usual + BESIDE))
    return abs(apart) > math.log(MOST_APART)


def _different_numbers(source: str, target: str) -> str:
    """The numbers that stand on one side only, in words; "" where nothing is surely wrong.

    A single digit may be a word on the other side ("4 April", "three parts"), so that it counts only where
    the other side has a number that this one has not.
    """
    one, other = _numbers(source), _numbers(target)
    lost, new = sorted(one - other), sorted(other - one)
    if not (lost and new):
        lost, new = ([number for number in side if len(number) > 1] for side in (lost, new))
    parts = [f"{', '.join(lost[:3])} in the source only"] * bool(lost)
    parts += [f"{', '.join(new[:3])} in the translation only"] * bool(new)
    return " and ".join(parts)


def _numbers(text: str) -> set[str]:
    """The numbers of a text, however their thousands are parted and zeros lead."""
    return {re.sub(r"\D", "", found).lstrip("0") or "0" for found in NUMBER.findall(text)}
