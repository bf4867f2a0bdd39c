"""Columns of brackets, one a predicate: `(A0*`, `*`, `*)`; read as tagged sentences, written back.

What a file says in its own way (blanks, alignment, other columns) stays as it is: only cells whose roles have
changed are written anew. The predicate itself, `V`, is given and no role; it keeps its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lightune.core.rows import Row
from lightune.core.spans import OUTSIDE, Span, join_words, read_spans, spans_of, to_iob2

BEFORE, BEHIND = "[", "]"  # the words round a predicate
PREDICATE = "V"
CELL = re.compile(r"\S+")
LINE = re.compile(r"[^\n]*\n|[^\n]+")
BRACKETS = re.compile(r"((?:\([^()*\s]+)*)\*(\)*)")


@dataclass(frozen=True)
class Sentence:
    """The lines of a sentence: numbers (from 0) of the lines in their file, and their cells."""

    number: int
    places: list[int]
    cells: list[list[str]]


@dataclass(frozen=True)
class Roles:
    """One predicate: the word that it is, and the column of its roles."""

    predicate: int
    column: int


def sentences(lines: Iterable[str]) -> Iterator[Sentence]:
    """Runs of lines that are neither blank nor begin with `#begin` or `#end`."""
    number, places, cells = 0, list[int](), list[list[str]]()
    for place, line in enumerate(lines):
        if line.strip() and not line.startswith(("#begin", "#end")):
            places.append(place)
            cells.append(CELL.findall(line))
        elif cells:
            yield Sentence(number, places, cells)
            number, places, cells = number + 1, [], []
    if cells:
        yield Sentence(number, places, cells)


def lines_of(text: str) -> list[str]:
    """The lines of a text, each with its end; only a line feed ends a line."""
    return LINE.findall(text)


def read_brackets(column: Sequence[str]) -> list[Span]:
    """(first, behind the last, type) of every bracket, in the order they open.

    Raises:
        ValueError: the number of a cell that cannot be read, or where brackets do not match.
    """
    found: list[tuple[int, int, str]] = []
    waiting: list[tuple[int, str]] = []
    for place, cell in enumerate(column):
        parts = BRACKETS.fullmatch(cell)
        if parts is None:
            raise ValueError(place)
        waiting += [(place, kind) for kind in parts[1].split("(")[1:]]
        for _ in parts[2]:
            if not waiting:
                raise ValueError(place)
            start, kind = waiting.pop()
            found.append((start, place + 1, kind))
    if waiting:
        raise ValueError(waiting[-1][0])
    return sorted(found, key=lambda span: (span[0], -span[1]))


def to_brackets(spans: Iterable[Span], length: int) -> list[str]:
    """The cells of a column; of two spans that begin together the longer is outside."""
    opened, closed = [""] * length, [""] * length
    for start, end, kind in sorted(spans, key=lambda span: (span[0], -span[1])):
        opened[start] += f"({kind}"
        closed[end - 1] += ")"
    return [f"{before}*{behind}" for before, behind in zip(opened, closed, strict=True)]


def row_of(words: Sequence[str], roles: Roles, column: Sequence[str]) -> dict[str, Any]:
    """`words` with marks round the predicate, and their IOB2 `tags`.

    Raises:
        ValueError: as `read_brackets`.
    """
    tags = _role_tags(column)
    place = roles.predicate
    marked = [*words[:place], BEFORE, words[place], BEHIND, *words[place + 1 :]]
    goes_on = [tag if tag.startswith("I-") else OUTSIDE for tag in (*tags, OUTSIDE)]
    spread = [*tags[:place], goes_on[place], tags[place], goes_on[place + 1], *tags[place + 1 :]]
    return {"words": marked, "tags": spread, "predicate": words[place], "predicate_word": place}


def with_tags(row: Row) -> Row:
    """A row whose `spans` were found by characters of its joined words, with them as its `tags`."""
    _, places = join_words(row.values["words"])
    spans = []
    for start, end, kind in read_spans(row.values["spans"]) or []:
        held = [number for number, (first, behind) in enumerate(places) if first < end and behind > start]
        spans += [(held[0], held[-1] + 1, kind)] if held else []
    return replace(row, values={**row.values, "tags": to_iob2(spans, len(places))})


def rewrite(text: str, rows: Iterable[tuple[Sentence, Roles, Mapping[str, Any]]]) -> str:
    """`text` with the `tags` of each row in the column of its predicate; nothing else changes."""
    lines = lines_of(text)
    changed: dict[int, dict[int, str]] = {}
    for sentence, roles, values in rows:
        column = [cells[roles.column] for cells in sentence.cells]
        tags = [*values["tags"]]
        del tags[roles.predicate + 2], tags[roles.predicate]
        if tags == _role_tags(column):
            continue
        own = [span for span in read_brackets(column) if span[2] == PREDICATE]
        for place, cell in zip(sentence.places, to_brackets([*spans_of(tags), *own], len(tags)), strict=True):
            changed.setdefault(place, {})[roles.column] = cell
    for place, cells in changed.items():
        lines[place] = _with_cells(lines[place], cells)
    return "".join(lines)


def _role_tags(column: Sequence[str]) -> list[str]:
    spans = [span for span in read_brackets(column) if span[2] != PREDICATE]
    return to_iob2(spans, len(column))


def _with_cells(line: str, cells: Mapping[int, str]) -> str:
    made, at = "", 0
    for number, found in enumerate(CELL.finditer(line)):
        made += line[at : found.start()] + cells.get(number, found.group())
        at = found.end()
    return made + line[at:]
