"""Semantic roles of OntoNotes as CoNLL-2012 writes them (Pradhan et al. 2012): the `_conll` files.

Columns: document, part, word number, word, part of speech, parse, lemma, frameset, sense, speaker, entities,
a column of roles for each predicate, coreference. `#begin document` and `#end document` lie round documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from lightune.core.errors import UserError
from lightune.core.rows import Row, Splits
from lightune.data.formats.base import Format
from lightune.data.formats.conll2005 import bad_brackets
from lightune.data.role_columns import Roles, Sentence, lines_of, rewrite, row_of, sentences, with_tags
from lightune.data.settings import DataSettings
from lightune.data.sniff import format_of
from lightune.data.text_lines import read_lines

WORD, LEMMA, FRAMESET, FIRST_ROLES = 3, 6, 7, 11
NOTHING = "-"


class Conll2012(Format):
    """One row a predicate: `words` with `[` and `]` round it, `tags` (IOB2), and where it stands."""

    fills, fills_from = ("_conll", ".conll", ".txt"), "spans"

    def recognises(self, path: Path) -> bool:
        """A file whose first line begins a document."""
        return path.is_file() and format_of(path) == "conll2012"

    def read(self, path: Path, settings: DataSettings) -> Iterator[Row]:
        """The predicates in file order.

        Raises:
            UserError: a line with too few columns, or brackets that do not match.
        """
        self.columns = ["words", "tags", "predicate", "predicate_word", "lemma", "frameset"]
        self.columns += ["document", "part", "sentence"]
        index = 0
        for sentence in sentences(read_lines(path, settings.encoding)):
            words = [cells[WORD] for cells in _checked(sentence, str(path))]
            for roles in roles_of(sentence):
                column = [cells[roles.column] for cells in sentence.cells]
                try:
                    values = row_of(words, roles, column)
                except ValueError as error:
                    raise bad_brackets(sentence, roles, int(error.args[0]), str(path)) from None
                cells = sentence.cells[roles.predicate]
                values |= {"lemma": cells[LEMMA], "frameset": cells[FRAMESET]}
                values |= {"document": cells[0], "part": cells[1], "sentence": sentence.number}
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
    places = [(sentence, roles) for sentence in sentences(lines_of(text)) for roles in roles_of(sentence)]
    return rewrite(
        text, [(sentence, roles, row.values) for (sentence, roles), row in zip(places, rows, strict=True)]
    )


def roles_of(sentence: Sentence) -> list[Roles]:
    """The predicates of a sentence: the word with `(V` in a column, else the next with a frameset."""
    framed = [place for place, cells in enumerate(sentence.cells) if cells[FRAMESET] != NOTHING]
    found = []
    for number, column in enumerate(range(FIRST_ROLES, len(sentence.cells[0]) - 1)):
        marked = [place for place, cells in enumerate(sentence.cells) if "(V*" in cells[column]]
        place = marked[0] if marked else framed[min(number, len(framed) - 1)] if framed else 0
        found.append(Roles(place, column))
    return found


def _checked(sentence: Sentence, file: str) -> list[list[str]]:
    """The cells, once it is sure that they are all there."""
    width = len(sentence.cells[0])
    for place, cells in zip(sentence.places, sentence.cells, strict=True):
        if len(cells) != width or width <= FIRST_ROLES:
            problem = f"this line has {len(cells)} columns"
            problem += f", the first of its sentence has {width}" if len(cells) != width else ""
            hint = "A line has 12 columns, and one more for each predicate of the sentence."
            raise UserError(problem, file=file, line=place + 1, hint=hint)
    return sentence.cells
