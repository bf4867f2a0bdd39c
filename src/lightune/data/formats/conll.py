"""A word a line with its tags, a blank line between sentences: CoNLL-2003 and its kin, CoNLL-U.

CoNLL-2003 (Tjong Kim Sang and De Meulder 2003): columns parted by blanks or tabs, the tag last,
`-DOCSTART-` between documents. CoNLL-U (universaldependencies.org): ten columns parted by tabs, `#` comments,
word ranges and empty words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from lightune.core.errors import UserError
from lightune.core.rows import Row, Splits
from lightune.core.spans import OUTSIDE, parse_tag
from lightune.data.formats.base import Format
from lightune.data.settings import DataSettings
from lightune.data.sniff import format_of
from lightune.data.text_lines import read_lines

OWN_SUFFIXES = (".conll", ".conllu", ".conll03", ".iob", ".iob2", ".bio", ".bioes", ".bmes")
SHARED_SUFFIXES = (".txt", ".tsv", ".train", ".testa", ".testb", ".dev", ".test")  # also of other formats
DOCUMENT = "-DOCSTART-"
U_NAMES = ("words", "lemmas", "upos", "xpos", "features", "heads", "relations", "deps", "misc")
SNIFFED = 40  # lines that tell the format
LONGEST_LINE = 10_000  # characters; a longer one is running text


class Conll(Format):
    """One row a sentence: `words` and a list for each further column; the last is `tags`."""

    suffixes = OWN_SUFFIXES

    def recognises(self, path: Path) -> bool:
        """By its ending; endings that others use too need words with tags in the first lines."""
        if not path.is_file() or format_of(path):
            return False
        suffix = path.suffix.lower()
        return suffix in OWN_SUFFIXES or (suffix in SHARED_SUFFIXES and _looks_tagged(path))

    def read(self, path: Path, settings: DataSettings) -> Iterator[Row]:
        """One row a sentence.

        Raises:
            UserError: a line with another number of columns than those before it.
        """
        index, start, cells = 0, 0, list[list[str]]()
        is_u = path.suffix.lower() == ".conllu"
        for number, raw in enumerate(read_lines(path, settings.encoding), start=1):
            line = raw.rstrip("\r\n")
            if line.strip() and not (is_u and line.startswith("#")) and not line.startswith(DOCUMENT):
                found = _cells(line, is_u=is_u)
                if found is None:
                    continue
                if cells and len(found) != len(cells[0]):
                    raise UserError(
                        f"this line has {len(found)} columns, those before it have {len(cells[0])}",
                        file=path,
                        line=number,
                        hint="Each word needs as many columns; a blank line ends a sentence.",
                    )
                start = start or number
                cells.append(found)
            elif not line.strip() and cells:
                yield self._row(index, cells, str(path), start, is_u=is_u)
                index, start, cells = index + 1, 0, []
        if cells:
            yield self._row(index, cells, str(path), start, is_u=is_u)

    def splits(self, path: Path, settings: DataSettings) -> Splits:
        """All sentences, for tagging."""
        found = super().splits(path, settings)
        label = "upos" if path.suffix.lower() == ".conllu" else "tags"
        if label not in self.columns:
            return found
        return replace(found, text=("words",), label=label, task="tag")

    def _row(self, index: int, cells: list[list[str]], file: str, line: int, *, is_u: bool) -> Row:
        names = U_NAMES if is_u else _names(len(cells[0]))
        if not self.columns:
            self.columns = list(names)
        lists = [list(column) for column in zip(*cells, strict=True)]
        return Row(index, dict(zip(names, lists, strict=True)), file, line)


def _names(number: int) -> tuple[str, ...]:
    """`words`, columns in between by number, `tags`."""
    if number == 1:
        return ("words",)
    return ("words", *(f"column{place}" for place in range(2, number)), "tags")


def _cells(line: str, *, is_u: bool) -> list[str] | None:
    """The columns of a line; None for CoNLL-U's word ranges and empty words."""
    if not is_u:
        return line.split("\t") if "\t" in line else line.split()
    cells = line.split("\t")
    return None if "-" in cells[0] or "." in cells[0] else cells[1:]


def _looks_tagged(path: Path) -> bool:
    """Whether the first lines are words with tags of a scheme, as many columns each."""
    try:
        lines = [line.rstrip("\r\n") for line in islice(read_lines(path, "utf-8"), SNIFFED)]
    except UserError:
        return False
    if any(len(line) > LONGEST_LINE for line in lines):
        return False
    rows = [
        _cells(line, is_u=False) or [] for line in lines if line.strip() and not line.startswith(DOCUMENT)
    ]
    if len(rows) < 2 or any(len(row) != len(rows[0]) or len(row) < 2 for row in rows):
        return False
    tags = [row[-1] for row in rows]
    return all(tag == OUTSIDE or parse_tag(tag)[0] != OUTSIDE for tag in tags)
