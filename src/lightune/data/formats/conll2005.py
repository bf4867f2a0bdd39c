"""Semantic roles as CoNLL-2005 writes them: words, and a column of roles a predicate.

Carreras and Màrquez 2005. The first column is the word; then columns of any kind; then the lemma of a
predicate or `-`; then one column of brackets for each predicate of the sentence, in their order. The official
`words` and `props` files side by side (`paste words props`) are such a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from lightune.core.errors import UserError
from lightune.core.rows import Row, Splits
from lightune.data.formats.base import Format
from lightune.data.role_columns import (
    BRACKETS,
    Roles,
    Sentence,
    lines_of,
    rewrite,
    row_of,
    sentences,
    with_tags,
)
from lightune.data.settings import DataSettings
from lightune.data.sniff import format_of
from lightune.data.text_lines import read_lines

NO_PREDICATE = "-"


class Conll2005(Format):
    """One row a predicate: `words` with `[` and `]` round it, `tags` (IOB2), and where it stands."""

    suffixes = (
        ".conll05",
        ".props",
        ".srl",
        ".conll",
        ".txt",
        ".train",
        ".dev",
        ".devel",
        ".test",
        ".wsj",
        ".brown",
    )
    fills, fills_from = suffixes, "spans"

    def recognises(self, path: Path) -> bool:
        """By its ending and a line that ends in columns of brackets."""
        return super().recognises(path) and format_of(path) == "conll2005"

    def read(self, path: Path, settings: DataSettings) -> Iterator[Row]:
        """The predicates in file order.

        Raises:
            UserError: columns that do not fit the number of predicates, or brackets that do not match.
        """
        self.columns = ["words", "tags", "predicate", "predicate_word", "lemma", "sentence"]
        index = 0
        for sentence in sentences(read_lines(path, settings.encoding)):
            first = lemma_column(sentence, str(path))
            words = [cells[0] for cells in sentence.cells]
            for roles in roles_of(sentence, first):
                column = [cells[roles.column] for cells in sentence.cells]
                try:
                    values = row_of(words, roles, column)
                except ValueError as error:
                    raise bad_brackets(sentence, roles, int(error.args[0]), str(path)) from None
                lemma = sentence.cells[roles.predicate][first]
                values |= {"lemma": lemma, "sentence": sentence.number}
                yield Row(index, values, str(path), sentence.places[0] + 1)
                index += 1

    def splits(self, path: Path, settings: DataSettings) -> Splits:
        """All predicates, for tagging."""
        found = super().splits(path, settings)
        return replace(found, text=("words",), label="tags", task="tag")

    def filled(self, path: Path, settings: DataSettings, rows: Sequence[Row], output: Path) -> str:
        """The file with the roles found."""
        text = "".join(read_lines(path, settings.encoding))
        return write(text, [with_tags(row) for row in rows])


def write(text: str, rows: Sequence[Row]) -> str:
    """The file `text` with the tags of `rows` (one for each predicate, in order) as its roles."""
    places = [
        (sentence, roles)
        for sentence in sentences(lines_of(text))
        for roles in roles_of(sentence, lemma_column(sentence, "text"))
    ]
    return rewrite(
        text, [(sentence, roles, row.values) for (sentence, roles), row in zip(places, rows, strict=True)]
    )


def lemma_column(sentence: Sentence, file: str) -> int:
    """The number of the column of lemmas: behind it stand as many columns of brackets as it has lemmas.

    Raises:
        UserError: there is none.
    """
    width = len(sentence.cells[0])
    line = sentence.places[0] + 1
    for place, cells in zip(sentence.places, sentence.cells, strict=True):
        if len(cells) != width:
            problem = f"this line has {len(cells)} columns, the first of its sentence has {width}"
            raise UserError(problem, file=file, line=place + 1)
    first = width - 1
    while first >= 0 and all(BRACKETS.fullmatch(cells[first]) for cells in sentence.cells):
        first -= 1
    number = sum(cells[first] != NO_PREDICATE for cells in sentence.cells) if first >= 0 else 0
    if first < 1 or number != width - 1 - first:
        problem = f"{number} predicates and {width - 1 - max(first, 0)} columns of roles do not fit"
        hint = "A line is: word, other columns, lemma or -, a column of roles for each lemma of the sentence."
        raise UserError(problem, file=file, line=line, hint=hint)
    return first


def roles_of(sentence: Sentence, first: int) -> list[Roles]:
    """The predicates of a sentence, whose lemmas stand in column `first`."""
    places = [place for place, cells in enumerate(sentence.cells) if cells[first] != NO_PREDICATE]
    return [Roles(place, first + 1 + number) for number, place in enumerate(places)]


def bad_brackets(sentence: Sentence, roles: Roles, place: int, file: str) -> UserError:
    """The error for a cell whose brackets cannot be read."""
    cell = sentence.cells[place][roles.column]
    hint = "A role opens as (A0*, goes on as * and closes as *); (A0*) is one word."
    problem = f"the brackets of {cell!r} do not match"
    return UserError(problem, file=file, line=sentence.places[place] + 1, column=roles.column + 1, hint=hint)
